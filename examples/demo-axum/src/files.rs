//! The page's files.

use axum::Router;
use axum::http::StatusCode;
use example_support::Page;
use hallpass::axum::Answer;

use crate::methods::get;
use crate::state::Shared;

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
