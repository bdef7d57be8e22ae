//! Who asks: the administrator token of the installation, or nobody known.

mod installation;

use axum::http::header;
use axum::http::request::Parts;
use ow_domain::access::{Principal, Role};

pub use installation::TokenHash;

use crate::Shared;
use crate::http::Problem;

/// Who sent a request. A wrong token is refused, also where nobody need be known: it is a mistake.
pub async fn authenticate(shared: &Shared, parts: &Parts) -> Result<Principal, Problem> {
    let Some(authorization) = parts.headers.get(header::AUTHORIZATION) else {
        return Ok(Principal::anonymous(shared.anonymous.role()));
    };
    let authorization = authorization.to_str().ok();
    if shared.token.as_ref().is_some_and(|token| token.admits(authorization)) {
        return Ok(Principal::installation());
    }
    Err(Problem::unauthorized("the token is not known; send 'Authorization: Bearer <token>' with a valid one"))
}

/// What somebody unknown may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    #[default]
    None,
    Viewer,
}

impl Anonymous {
    pub fn role(self) -> Option<Role> {
        match self {
            Self::None => None,
            Self::Viewer => Some(Role::Viewer),
        }
    }
}
