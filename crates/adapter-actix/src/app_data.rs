//! Which `Auth` an extractor asks: the one that the application has under the extractor's type.

use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::collections::HashSet;
use std::marker::PhantomData;

use actix_web::{HttpRequest, web};
use token_http::{Auth, Rejection};

/// Adds an [`Auth`] to the application's data, under the type `A`.
pub(crate) fn add<A>(config: &mut web::ServiceConfig, auth: A)
where
    A: Clone + Into<Auth> + 'static,
{
    let marked = auth.clone().into();
    if is_odd::<A>() {
        config.app_data(Odd::<A>(marked, PhantomData));
    } else {
        config.app_data(Even::<A>(marked, PhantomData));
    }
    config.app_data(web::Data::new(auth));
}

/// The [`Auth`] that the application has under the type `A`.
///
/// # Errors
/// 500 if there is none, or if there are two: another one than was meant might accept a token that
/// the route must refuse.
pub(crate) fn auth<A>(request: &HttpRequest) -> Result<Auth, Rejection>
where
    A: Clone + Into<Auth> + 'static,
{
    let data = request.app_data::<web::Data<A>>();
    let data = data.ok_or_else(|| Rejection::misconfigured(missing::<A>()))?;
    let even = request.app_data::<Even<A>>();
    let odd = request.app_data::<Odd<A>>();
    match (even, odd) {
        (Some(Even(even, _)), Some(Odd(odd, _))) if !even.is(odd) => {
            Err(Rejection::misconfigured(ambiguous::<A>()))
        }
        _ => Ok(A::clone(data).into()),
    }
}

/// What shows that an application has two under one type. actix keeps one value of each type, the last,
/// and does not say that it has dropped another. So those that one thread registers one after the other
/// are marked in turn with an `Even` and an `Odd`.
struct Even<A>(Auth, PhantomData<fn() -> A>);
struct Odd<A>(Auth, PhantomData<fn() -> A>);

/// Whether the thread has registered an odd number of them under this type, with this one.
fn is_odd<A: 'static>() -> bool {
    thread_local! {
        static ODD: RefCell<HashSet<TypeId>> = RefCell::default();
    }
    ODD.with_borrow_mut(|odd| {
        let own = TypeId::of::<A>();
        odd.insert(own) || !odd.remove(&own)
    })
}

fn missing<A>() -> String {
    let name = short_name::<A>();
    format!(
        "an extractor found no `web::Data<{name}>` in `app_data`: add \
         `.configure(hallpass::actix::routes(&auth))` to the App, with the `{name}` as `auth`"
    )
}

fn ambiguous<A>() -> String {
    let name = short_name::<A>();
    format!(
        "an App has two different `{name}`s, and only their types tell extractors which one to ask: \
         give each a type of its own (\"Two kinds of users in one application\" in the guide)"
    )
}

/// The name of a type without its modules.
fn short_name<A>() -> &'static str {
    let name = type_name::<A>();
    name.rsplit("::").next().unwrap_or(name)
}
