//! Keys under a passphrase: PKCS#8 with PBES2, as `openssl pkcs8 -topk8` writes it.

use der::{Decode, Tag, Tagged, asn1::AnyRef};
use pkcs8::{
    EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef,
    pkcs5::{EncryptionScheme, pbes2},
};
use zeroize::Zeroizing;

use crate::{KeyError, blocks::Block, certificate::pem_block, key::first_block};

pub(crate) const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Most rounds of PBKDF2: some seconds. OpenSSL's default is 2048, OWASP's advice 600,000.
const MAX_ROUNDS: u32 = 10_000_000;

/// Most memory that scrypt may ask for, in bytes.
const MAX_MEMORY: u64 = 256 << 20;

/// Rounds of PBKDF2 for what is written here.
const ROUNDS: u32 = 600_000;

/// Whether the first key of a file is under a passphrase.
pub(crate) fn is_sealed(file: &[u8]) -> bool {
    match first_block(file) {
        Ok(Block { label, der, .. }) if label.is_empty() => EncryptedPrivateKeyInfoRef::try_from(&der[..]).is_ok(),
        Ok(block) => block.label == LABEL,
        Err(_) => false,
    }
}

/// The PKCS#8 within.
pub(crate) fn open(der: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let damaged = || KeyError::Damaged { reason: "it is not an encrypted PKCS#8 key".into() };
    let unread = |_| if is_of_another_form(der) { KeyError::Encrypted } else { damaged() };
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(unread)?;
    refuse_costly(&info.encryption_algorithm)?;
    let opened = info.decrypt(passphrase).map_err(|_| KeyError::WrongPassphrase)?;
    Ok(Zeroizing::new(opened.as_bytes().to_vec()))
}

/// Whether it says how it is encrypted and what: then it is not damaged, but sealed by what is not read.
fn is_of_another_form(der: &[u8]) -> bool {
    let parts = Vec::<AnyRef<'_>>::from_der(der).unwrap_or_default();
    matches!(&parts[..], [how, what] if how.tag() == Tag::Sequence && what.tag() == Tag::OctetString)
}

/// A PKCS#8 key under a passphrase, PEM: AES-256-CBC, PBKDF2 with HMAC-SHA-256.
pub(crate) fn seal(pkcs8: &[u8], passphrase: &str) -> Result<Zeroizing<String>, KeyError> {
    let refused = |reason: String| KeyError::Unsupported { reason };
    let key = PrivateKeyInfoRef::try_from(pkcs8).map_err(|error| refused(error.to_string()))?;
    let (salt, start): ([u8; 16], [u8; 16]) = (rand::random(), rand::random());
    let sealed = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, start)
        .map_err(|error| refused(error.to_string()))
        .and_then(|scheme| key.encrypt_with_params(scheme, passphrase).map_err(|error| refused(error.to_string())))?;
    Ok(Zeroizing::new(pem_block(LABEL, sealed.as_bytes())))
}

/// A file says how much work a guess costs; it cannot ask for an hour or for all memory.
fn refuse_costly(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let EncryptionScheme::Pbes2(scheme) = scheme else {
        let reason = "its encryption is not PBES2 (openssl pkcs8 -topk8 -v2 aes-256-cbc makes that of it)";
        return Err(KeyError::Unsupported { reason: reason.into() });
    };
    let is_costly = match &scheme.kdf {
        pbes2::Kdf::Pbkdf2(kdf) => kdf.iteration_count > MAX_ROUNDS,
        pbes2::Kdf::Scrypt(kdf) => {
            let memory = 128_u64.saturating_mul(kdf.cost_parameter).saturating_mul(kdf.block_size.into());
            // Nothing, or a division by it.
            if kdf.cost_parameter < 2 || kdf.block_size == 0 || kdf.parallelization == 0 {
                return Err(KeyError::Damaged { reason: "its scrypt parameters are no numbers of rounds".into() });
            }
            memory > MAX_MEMORY || kdf.parallelization > 16
        }
        _ => false,
    };
    if is_costly {
        let reason = "its passphrase would take too long to check: more than 10,000,000 rounds or 256 MiB";
        return Err(KeyError::Unsupported { reason: reason.into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use der::{Encode, asn1::OctetStringRef};
    use nuncio_identity::NodeKey;

    use super::*;
    use crate::KeyFile;

    fn openssl(directory: &Path, arguments: &str) {
        let run = Command::new("openssl").args(arguments.split_whitespace()).current_dir(directory).output().unwrap();
        assert!(run.status.success(), "openssl {arguments}\n{}", String::from_utf8_lossy(&run.stderr));
    }

    fn read(path: &Path, passphrase: &str) -> Result<String, KeyError> {
        let file = std::fs::read(path).unwrap();
        assert!(is_sealed(&file));
        KeyFile::read_with(&file, Some(passphrase))?.into_node_key().map(|key| key.node_id().to_string())
    }

    #[test]
    fn what_openssl_seals_is_opened_and_the_reverse() {
        let directory = tempfile::tempdir().unwrap();
        let (path, key) = (directory.path(), NodeKey::generate());
        std::fs::write(path.join("key"), key.to_pem().as_bytes()).unwrap();
        let id = key.node_id().to_string();
        let forms = [
            "",
            "-v2 aes-128-cbc",
            "-v2 aes-256-cbc -v2prf hmacWithSHA512",
            "-v2 aes-256-cbc -iter 100000",
            "-v2 aes-256-cbc -v2prf hmacWithSHA1",
            "-v2 des3",
            "-scrypt",
            "-outform DER",
        ];
        for form in forms {
            openssl(path, &format!("pkcs8 -topk8 -in key -out sealed -passout pass:geheim {form}"));
            assert_eq!(read(&path.join("sealed"), "geheim"), Ok(id.clone()), "{form}");
            assert_eq!(read(&path.join("sealed"), "Geheim"), Err(KeyError::WrongPassphrase), "{form}");
            let file = std::fs::read(path.join("sealed")).unwrap();
            assert!(matches!(KeyFile::read(&file), Err(KeyError::NoPassphrase { .. })), "{form}");
        }
        for form in ["-v2 camellia-128-cbc", "-v2 aria-128-cbc"] {
            openssl(path, &format!("pkcs8 -topk8 -in key -out sealed -passout pass:geheim {form}"));
            let file = std::fs::read(path.join("sealed")).unwrap();
            assert_eq!(KeyFile::read_with(&file, Some("geheim")).err(), Some(KeyError::Encrypted), "{form}");
        }
        let sealed = seal(&first_block(key.to_pem().as_bytes()).unwrap().der, "geheim").unwrap();
        std::fs::write(path.join("ours"), sealed.as_bytes()).unwrap();
        assert_eq!(read(&path.join("ours"), "geheim"), Ok(id));
        openssl(path, "pkey -in ours -passin pass:geheim -noout");
        openssl(path, "pkcs8 -topk8 -in key -out old -passout pass:geheim -v1 PBE-SHA1-3DES");
        assert!(matches!(read(&path.join("old"), "geheim"), Err(KeyError::Unsupported { .. } | KeyError::Encrypted)));
    }

    #[test]
    fn scrypt_without_a_cost_is_refused_and_does_not_panic() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::write(path.join("key"), NodeKey::generate().to_pem().as_bytes()).unwrap();
        openssl(path, "pkcs8 -topk8 -in key -out sealed -passout pass:geheim -scrypt -outform DER");
        let good = std::fs::read(path.join("sealed")).unwrap();
        let forged = |forge: fn(&mut pbes2::ScryptParams)| {
            let mut info = EncryptedPrivateKeyInfoRef::try_from(&good[..]).unwrap();
            let EncryptionScheme::Pbes2(scheme) = &mut info.encryption_algorithm else { panic!("it is PBES2") };
            let pbes2::Kdf::Scrypt(kdf) = &mut scheme.kdf else { panic!("it is scrypt") };
            forge(kdf);
            open(&info.to_der().unwrap(), "geheim").map(drop)
        };
        assert_eq!(forged(|_| {}), Ok(()));
        for result in [
            forged(|kdf| kdf.cost_parameter = 0),
            forged(|kdf| kdf.cost_parameter = 1),
            forged(|kdf| kdf.block_size = 0),
            forged(|kdf| kdf.parallelization = 0),
        ] {
            assert!(matches!(result, Err(KeyError::Damaged { .. })), "{result:?}");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_an_hour() {
        let scheme = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(MAX_ROUNDS + 1, &[1; 16], [2; 16]).unwrap();
        let encrypted_data = OctetStringRef::new(&[0; 32]).unwrap();
        let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: scheme.into(), encrypted_data };
        let began = std::time::Instant::now();
        assert!(matches!(open(&info.to_der().unwrap(), "a"), Err(KeyError::Unsupported { .. })));
        assert!(began.elapsed() < std::time::Duration::from_secs(1));
    }
}
