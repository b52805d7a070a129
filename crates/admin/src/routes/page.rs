//! The dashboard: one page and what it loads, the same for everybody. What it shows it asks for, with the reader's token.

use axum::{
    Router,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
    response::IntoResponse,
    routing::get,
};

/// Nothing from elsewhere, nothing inline, no text that becomes a program, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// A file that anybody may have.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All of them.
pub(crate) static FILES: &[File] = &[
    File { path: "/", kind: HTML, text: include_str!("../../dashboard/index.html") },
    File { path: "/dashboard/style.css", kind: CSS, text: include_str!("../../dashboard/style.css") },
    File { path: "/dashboard/main.js", kind: SCRIPT, text: include_str!("../../dashboard/main.js") },
    File { path: "/dashboard/picture.js", kind: SCRIPT, text: include_str!("../../dashboard/picture.js") },
    File { path: "/dashboard/stream.js", kind: SCRIPT, text: include_str!("../../dashboard/stream.js") },
    File { path: "/dashboard/trace.js", kind: SCRIPT, text: include_str!("../../dashboard/trace.js") },
    File { path: "/dashboard/tables.js", kind: SCRIPT, text: include_str!("../../dashboard/tables.js") },
];

/// The router with them.
pub(super) fn serve<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    FILES.iter().fold(router, |router, file| router.route(file.path, get(async || answer(file))))
}

fn answer(file: &File) -> impl IntoResponse + use<> {
    let headers = [
        (CONTENT_TYPE, file.kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        // The next release's are others.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the policy forbids would not work, and what it cannot see is not done either.
    #[test]
    fn nothing_is_inline_from_elsewhere_or_made_of_text() {
        for File { path, text, .. } in FILES {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "localStorage"]
            {
                assert!(!text.contains(forbidden), "{path}: {forbidden}");
            }
            for forbidden in ["http://", "https://", "//cdn", " onclick", " onload", " style=", "<style", "javascript:"]
            {
                assert!(!text.contains(forbidden), "{path}: {forbidden}");
            }
        }
        let page = FILES[0].text;
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"/dashboard/").count());
    }
}
