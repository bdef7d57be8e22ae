//! The cookies of the browser.

use axum::http::{HeaderMap, HeaderValue, header};

/// A cookie that programs in the page cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    name: &'static str,
    /// With the prefix `__Host-`, which browsers only take with `Secure`, for `/` and from no other host.
    secure_name: &'static str,
    same_site: &'static str,
}

/// The session. Sent to us by our own pages only.
pub const SESSION: Cookie =
    Cookie { name: "ottwatch_session", secure_name: "__Host-ottwatch_session", same_site: "Strict" };

/// What binds a sign-in at a provider to the browser. It has to come along when the provider sends the browser back,
/// which is a step from another site.
pub const OIDC: Cookie = Cookie { name: "ottwatch_oidc", secure_name: "__Host-ottwatch_oidc", same_site: "Lax" };

impl Cookie {
    pub const fn name(self, secure: bool) -> &'static str {
        if secure { self.secure_name } else { self.name }
    }

    /// Its value, if the browser sent exactly one: two of one name mean that somebody else set one of them.
    pub fn read(self, headers: &HeaderMap, secure: bool) -> Option<String> {
        let mut found = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name(secure))
            .map(|(_, value)| value.to_owned());
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// `Set-Cookie`. `seconds` 0 takes it away.
    pub fn write(self, value: &str, secure: bool, seconds: i64) -> HeaderValue {
        let mut text =
            format!("{}={value}; Path=/; HttpOnly; SameSite={}; Max-Age={seconds}", self.name(secure), self.same_site);
        if secure {
            text.push_str("; Secure");
        }
        // Values are base64url: always a header.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_read_and_written() {
        let read = |lines: &[&str], secure| {
            let headers = lines.iter().map(|l| (header::COOKIE, HeaderValue::from_str(l).unwrap())).collect();
            SESSION.read(&headers, secure)
        };
        assert_eq!(read(&["a=b; ottwatch_session=x; c=d"], false).as_deref(), Some("x"));
        assert_eq!(read(&["a=b", "__Host-ottwatch_session=x"], true).as_deref(), Some("x"));
        assert_eq!(read(&["ottwatch_session=x"], true), None, "one that anybody could have set");
        assert_eq!(read(&["ottwatch_session=x; ottwatch_session=y"], false), None);
        assert_eq!(read(&["xottwatch_session=x", "ottwatch_session"], false), None);
        assert_eq!(
            SESSION.write("x", true, 60),
            "__Host-ottwatch_session=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
        );
        assert_eq!(OIDC.write("", false, 0), "ottwatch_oidc=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
