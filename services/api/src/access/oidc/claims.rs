//! What a provider says of a person, as a user of ours.

use ow_domain::access::{LabelScope, Role};
use ow_store::access::Identity;
use serde_json::Value;

use super::super::config::OidcConfig;
use super::secret;
use crate::routes::is_user_name;

/// Most values of a claim that are compared.
const MAX_VALUES: usize = 1000;

/// `None`: nothing that is said gives a role.
pub fn identity(
    claims: &Value,
    config: &OidcConfig,
    mapping: &[(String, Role, Option<LabelScope>)],
) -> Option<Identity> {
    let role_claim = if config.role_claim.is_empty() { "groups" } else { &config.role_claim };
    let values = texts(find(claims, role_claim));
    let (_, role, label_scope) =
        mapping.iter().find(|(value, _, _)| value == "*" || values.contains(&value.as_str()))?;
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let subject = text("sub");
    let line = |text: &str, max: usize| text.chars().filter(|c| !c.is_control()).take(max).collect::<String>();
    // An address that the provider has not verified is anybody's.
    let email = if claims["email_verified"] == false { "" } else { text("email") };
    let name_claim = if config.name_claim.is_empty() { "preferred_username" } else { &config.name_claim };
    let wanted = find(claims, name_claim).and_then(Value::as_str).unwrap_or_default();
    let name = [wanted, email].into_iter().map(str::to_lowercase).find(|name| is_user_name(name));
    Some(Identity {
        issuer: config.issuer.clone(),
        subject: subject.to_owned(),
        name: name.unwrap_or_else(|| {
            let digest = secret::hash(&format!("{} {subject}", config.issuer));
            format!("oidc-{}", digest.iter().take(6).map(|b| format!("{b:02x}")).collect::<String>())
        }),
        display_name: line(text("name"), 128),
        email: line(email, 254),
        role: *role,
        label_scope: label_scope.clone(),
    })
}

/// A claim by its name, or by a path with dots (`realm_access.roles`).
fn find<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, part| value.get(part)))
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().take(MAX_VALUES).filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_mapped_by_the_first_match() {
        let config = OidcConfig { issuer: "https://id".into(), ..OidcConfig::default() };
        let nested = OidcConfig { role_claim: "realm_access.roles".into(), ..config.clone() };
        let scope: LabelScope = "group=sport".parse().unwrap();
        let mapping =
            [("admins".to_owned(), Role::Admin, None), ("noc".to_owned(), Role::Operator, Some(scope.clone()))];
        for (config, claims, expected) in [
            (&config, json!({"sub": "1", "groups": ["noc"]}), Some((Role::Operator, Some(scope)))),
            (&config, json!({"sub": "1", "groups": ["noc", "admins"]}), Some((Role::Admin, None))),
            (&config, json!({"sub": "1", "groups": "admins"}), Some((Role::Admin, None))),
            (&config, json!({"sub": "1", "groups": ["Admins", "nocx"]}), None),
            (&config, json!({"sub": "1", "groups": [["admins"]]}), None),
            (&config, json!({"sub": "1"}), None),
            (&nested, json!({"sub": "1", "realm_access": {"roles": ["admins"]}}), Some((Role::Admin, None))),
        ] {
            let found = identity(&claims, config, &mapping).map(|identity| (identity.role, identity.label_scope));
            assert_eq!(found, expected, "{claims}");
        }
        let anybody = [("*".to_owned(), Role::Viewer, None)];
        assert!(identity(&json!({"sub": "1"}), &config, &anybody).is_some());
    }

    #[test]
    fn everybody_gets_a_name_that_can_be_one() {
        let config = OidcConfig { issuer: "https://id".into(), ..OidcConfig::default() };
        let anybody = [("*".to_owned(), Role::Viewer, None)];
        for (claims, name) in [
            (json!({"sub": "1", "preferred_username": "Thu"}), "thu"),
            (json!({"sub": "1", "preferred_username": "thứ", "email": "thu@example.net"}), "thu@example.net"),
            (json!({"sub": "1", "email": "root", "email_verified": false}), "oidc-"),
            (json!({"sub": "1", "preferred_username": "../x"}), "oidc-"),
        ] {
            let identity = identity(&claims, &config, &anybody).unwrap();
            assert!(
                identity.name == name || name == "oidc-" && identity.name.starts_with(name),
                "{claims}: {}",
                identity.name
            );
            assert!(is_user_name(&identity.name));
        }
    }
}
