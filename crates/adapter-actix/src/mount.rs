//! Shows that an `App` has two `Auth`s at one path. actix serves the first of them, and does not say that the other
//! one is never reached.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use token_http::{Auth, Rejection, Route};

/// The routes of an [`Auth`] in an `App`, which has the last ones in its data. Each knows those that its thread has
/// made before: up to the first ones of the same `App` they are alive.
pub(crate) struct Mount {
    auth: Auth,
    before: Weak<Mount>,
}

impl Mount {
    pub(crate) fn new(auth: Auth) -> Rc<Self> {
        thread_local! {
            static LAST: RefCell<Weak<Mount>> = RefCell::default();
        }
        LAST.with_borrow_mut(|last| {
            let before = std::mem::take(last);
            let mount = Rc::new(Self { auth, before });
            *last = Rc::downgrade(&mount);
            mount
        })
    }

    pub(crate) const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Refuses a request to these routes if others of the same `App`, whose last ones are `last`, have the same path.
    pub(crate) fn check(self: &Rc<Self>, last: &Rc<Self>, path: &str) -> Result<(), Rejection> {
        let mut next = Some(Rc::clone(last));
        while let Some(later) = next.filter(|later| !Rc::ptr_eq(later, self)) {
            let mut paths = Route::mounted(&later.auth).map(|route| route.path(&later.auth));
            if !later.auth.is(&self.auth) && paths.any(|other| *other == *path) {
                return Err(Rejection::misconfigured(format!(
                    "an App has two `Auth`s with the path {path}, of which the second is never reached: give each \
                     a prefix, and an issuer with a path, of its own"
                )));
            }
            next = later.before.upgrade();
        }
        Ok(())
    }
}
