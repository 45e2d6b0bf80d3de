//! Sessions that take the place of a session or token of another system, while an application moves in.
//!
//! The id of such a session follows from the old credential, and its first credential from that and a key of ours.
//! So each of many requests that come with the same one, from several tabs or because an answer was lost, asks for
//! the same session: the first inserts it, and all get the same credential. A store needs no more for it than that
//! an insert of an id which is taken changes nothing.
//!
//! The id needs no key: anyone who has the old credential may know it. So a session that was ended is found for as
//! long as it is stored, whatever becomes of the keys, and a logout wins.
//!
//! A reader whose users have no old sessions needs nothing of this.

mod credential;
mod session;

pub use credential::OldCredential;
pub use session::{adopt, adopted};
