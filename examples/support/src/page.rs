//! The page. Its files are compiled in, so that a demo needs nothing else to run.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use http::{HeaderValue, Response};

/// Lets the page load its own files and call this server, and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The field of a request whose answer the page wants to be lost.
pub const LOSE_ANSWER: &str = "demo-lose-answer";

const FILES: [File; 12] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        text: include_str!("../page/index.html"),
    },
    script(
        "/auth.js",
        include_str!("../../../clients/web/embed/auth.js"),
    ),
    script("/client.js", include_str!("../page/client.js")),
    script("/device.js", include_str!("../page/device.js")),
    script("/network.js", include_str!("../page/network.js")),
    script("/page.js", include_str!("../page/page.js")),
    script("/record.js", include_str!("../page/record.js")),
    script("/timeline.js", include_str!("../page/timeline.js")),
    script("/trouble.js", include_str!("../page/trouble.js")),
    script("/view.js", include_str!("../page/view.js")),
    File {
        path: "/page.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("../page/page.css"),
    },
    File {
        path: "/favicon.svg",
        content_type: "image/svg+xml",
        text: include_str!("../page/favicon.svg"),
    },
];

struct File {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const fn script(path: &'static str, text: &'static str) -> File {
    let content_type = "text/javascript; charset=utf-8";
    File {
        path,
        content_type,
        text,
    }
}

/// The page's files.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    with_demo_users: bool,
    with_device: bool,
}

impl Page {
    /// A page that shows alice and bob with their passwords or nobody, and with or without what binds a session to
    /// the browser.
    pub const fn new(with_demo_users: bool, with_device: bool) -> Self {
        Self {
            with_demo_users,
            with_device,
        }
    }

    /// The paths of the files; each answers `GET`.
    pub fn paths() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|file| file.path)
    }

    /// The paths of the files, with their media types.
    pub fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().map(|file| (file.path, file.content_type))
    }

    /// The file at one of the [`paths`](Self::paths); `None` for any other path.
    pub fn file(self, path: &str) -> Option<Response<Bytes>> {
        let file = FILES.iter().find(|file| file.path == path)?;
        let mut text = Cow::Borrowed(file.text);
        for (is_shown, name) in [(self.with_demo_users, "demo"), (self.with_device, "device")] {
            if !is_shown && let Some(rest) = without(&text, name) {
                text = Cow::Owned(rest);
            }
        }
        let mut response = Response::new(match text {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        });
        let headers = [
            (CONTENT_TYPE, file.content_type),
            // Another version of the program has different files under the same names.
            (CACHE_CONTROL, "no-cache"),
            (REFERRER_POLICY, "no-referrer"),
            (
                HeaderName::from_static("content-security-policy"),
                CONTENT_SECURITY_POLICY,
            ),
            (HeaderName::from_static("x-content-type-options"), "nosniff"),
        ];
        for (name, value) in headers {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        Some(response)
    }
}

/// The text without the part that stands between comments of this name; `None` if there is none.
fn without(text: &str, name: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("<!--{name}-->"))?;
    let (_, after) = rest.split_once(&format!("<!--/{name}-->"))?;
    Some([before, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(page: Page, path: &str) -> String {
        String::from_utf8(page.file(path).unwrap().into_body().to_vec()).unwrap()
    }

    #[test]
    fn passwords_are_shown_for_the_demo_users_alone() {
        for with_device in [true, false] {
            let shows = |with| text(Page::new(with, with_device), "/").contains("wonderland");
            assert!(shows(true) && !shows(false));
        }
    }

    #[test]
    fn the_thief_is_shown_only_if_there_is_one() {
        for with_demo_users in [true, false] {
            let html = |with| text(Page::new(with_demo_users, with), "/");
            assert!(html(true).contains("id=\"device\"") && !html(false).contains("id=\"device\""));
            assert!(html(false).contains("</html>"));
        }
    }

    #[test]
    fn every_file_that_the_page_names_is_there() {
        let page = Page::new(true, true);
        for path in Page::paths() {
            for part in text(page, path).split("from './").skip(1) {
                let name = part.split('\'').next().unwrap();
                assert!(page.file(&format!("/{name}")).is_some(), "{path}: {name}");
            }
        }
        let html = text(page, "/");
        for attribute in ["src=\"", "href=\""] {
            for part in html.split(attribute).skip(1) {
                let path = part.split('"').next().unwrap();
                let within =
                    path.starts_with('#') && html.contains(&format!("id=\"{}\"", &path[1..]));
                let served = path == "/openapi.json" || page.file(path).is_some();
                assert!(within || served, "{path}");
            }
        }
    }

    #[test]
    fn the_page_has_no_script_or_style_of_its_own_and_asks_no_other_server() {
        let html = text(Page::new(true, true), "/");
        assert!(!html.contains("<style") && !html.contains("style="));
        let handler = |word: &str| word.starts_with("on") && word.contains("=\"");
        assert!(!html.split_whitespace().any(handler));
        assert!(
            html.matches("<script").count() == 1 && html.contains("src=\"/page.js\"></script>")
        );
        for path in Page::paths() {
            let text = text(Page::new(true, true), path).replace("http://www.w3.org/2000/svg", "");
            assert!(
                !text.contains("http://") && !text.contains("https://"),
                "{path}"
            );
        }
    }
}
