use nuncio_pki::authority::{AGENCY_DAYS, Authority, ROOT_DAYS, Validity};

/// A root and an agency in folders of their own, `ca` and `agencyA`.
pub(crate) struct Consortium {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) root: Authority,
    pub(crate) agency: Authority,
}

pub(crate) fn consortium() -> Consortium {
    let directory = tempfile::tempdir().unwrap();
    let root = Authority::init(&directory.path().join("ca"), "chain", Validity::days(ROOT_DAYS)).unwrap();
    let agency = root.agency("agencyA", &directory.path().join("agencyA"), Validity::days(AGENCY_DAYS)).unwrap();
    Consortium { directory, root, agency }
}
