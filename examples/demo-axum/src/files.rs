//! The page's files.

use adapter_axum::Answer;
use axum::Router;
use axum::http::StatusCode;
use example_support::Page;

use crate::Shared;
use crate::methods::get;

/// A route for each.
pub(crate) fn files(page: Page) -> Router<Shared> {
    Page::paths().fold(Router::new(), |router, path| {
        let file = async move || {
            page.file(path)
                .map(Answer::from)
                .ok_or(StatusCode::NOT_FOUND)
        };
        router.route(path, get(file))
    })
}
