//! Secrets of configuration are sealed before they are compared and stored; nothing behind this sees them.

use ow_config::{Document, SEALED, VALUE, replace_secrets};
use ow_domain::config::{ConfigChange, ConfigKind, ConfigObject};
use ow_service::sealing::{self, Keyring, SealError};

/// Seals what documents say in the clear. A value that is the stored one stays as it is stored, so that applying the
/// same documents again changes nothing. Without keys headers stay as they are, and other values are refused.
pub fn seal_documents(documents: &[Document], stored: &[ConfigObject]) -> Result<Vec<Document>, SealError> {
    let keys = sealing::installed();
    let seal = |document: &Document| {
        let mut document = document.clone();
        let object = &document.object;
        let twin = stored.iter().find(|stored| stored.kind == object.kind && stored.name == object.name);
        seal_object(&mut document.object, twin, keys.as_ref())?;
        Ok(document)
    };
    documents.iter().map(seal).collect()
}

/// The same for changes that were planned already.
pub fn seal_changes(mut changes: Vec<ConfigChange>) -> Result<Vec<ConfigChange>, SealError> {
    let keys = sealing::installed();
    for change in &mut changes {
        if let ConfigChange::Create(object) | ConfigChange::Update(object) = change {
            seal_object(object, None, keys.as_ref())?;
        }
    }
    Ok(changes)
}

fn seal_object(
    object: &mut ConfigObject,
    stored: Option<&ConfigObject>,
    keys: Option<&Keyring>,
) -> Result<(), SealError> {
    let (kind, name) = (object.kind, object.name.clone());
    replace_secrets(object, stored, |field, text, stored| {
        let is_reference = kind == ConfigKind::Receiver && text.starts_with("env:");
        if is_reference || text.starts_with(SEALED) {
            return Ok(None);
        }
        let value = text.strip_prefix(VALUE);
        let Some(keys) = keys else {
            return if value.is_some() { Err(SealError::NoKeys) } else { Ok(None) };
        };
        let value = value.unwrap_or(text);
        let place = sealing::place(kind.as_str(), name.as_str(), field_name(field));
        if let Some(stored) = stored
            && keys.open(&place, stored).is_ok_and(|secret| secret.reveal() == value)
        {
            return Ok(Some(stored.to_owned()));
        }
        keys.seal(&place, value).map(Some)
    })
}

/// `passwordFile` and `password_file` are one place.
fn field_name(field: &str) -> &str {
    match field {
        "passwordFile" => "password_file",
        "tokenFile" => "token_file",
        "webhookUrlFile" => "webhook_url_file",
        "secretFile" => "secret_file",
        "communityFile" => "community_file",
        "authPasswordFile" => "auth_password_file",
        "privacyPasswordFile" => "privacy_password_file",
        other => other,
    }
}

/// Seals everything anew with the newest key. The changes to store, and how many values they hold.
pub fn reseal(objects: &[ConfigObject], keys: &Keyring) -> Result<(Vec<ConfigChange>, usize), SealError> {
    let (mut changes, mut n_values) = (Vec::new(), 0);
    for object in objects {
        let mut changed = object.clone();
        let (kind, name) = (object.kind, object.name.clone());
        replace_secrets(&mut changed, None, |field, text, _| {
            let place = sealing::place(kind.as_str(), name.as_str(), field_name(field));
            let is_reference = kind == ConfigKind::Receiver && text.starts_with("env:");
            // What was stored before there were keys is sealed now.
            let secret = if text.starts_with(SEALED) {
                keys.open(&place, text)?.reveal().to_owned()
            } else if is_reference {
                return Ok(None);
            } else {
                text.strip_prefix(VALUE).unwrap_or(text).to_owned()
            };
            n_values += 1;
            keys.seal(&place, &secret).map(Some)
        })?;
        if changed != *object {
            changes.push(ConfigChange::Update(changed));
        }
    }
    Ok((changes, n_values))
}

#[cfg(test)]
mod tests {
    use ow_config::{HIDDEN, SourceFile, plan, without_secrets};

    use super::*;

    const TEXT: &str = "
{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: p1}}
---
{apiVersion: ottwatch/v1, kind: Receiver, metadata: {name: mail}, spec: {type: email, host: h, username: u, passwordFile: 'value:geheim1', from: a@b.c, to: [a@b.c]}}
---
{apiVersion: ottwatch/v1, kind: Receiver, metadata: {name: hook}, spec: {type: webhook, url: 'https://h/', secretFile: /run/s, headers: {X-Key: geheim2, X-Env: 'env:HOOK'}}}
---
{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: c}, spec: {probes: [p1], streams: [{name: main, protocol: hls, url: 'http://o/a.m3u8', headers: {Authorization: geheim3}}]}}
";

    fn documents(text: &str) -> Vec<Document> {
        ow_config::read(&[SourceFile { name: "t".into(), text: text.into() }]).unwrap_or_else(|p| panic!("{p:?}"))
    }

    #[test]
    fn secrets_are_sealed_before_they_are_stored_and_stay_when_they_are_the_same() {
        // The only test of this process that needs to have no keys first.
        assert!(matches!(seal_documents(&documents(TEXT), &[]), Err(SealError::NoKeys)));
        let home = tempfile::tempdir().unwrap();
        let keys = Keyring::open_or_create(&home.path().join("secrets.key")).unwrap();
        sealing::install(keys.clone());
        let sealed = seal_documents(&documents(TEXT), &[]).unwrap();
        let stored: Vec<ConfigObject> =
            sealed.iter().map(|d| ConfigObject { revision: 1, ..d.object.clone() }).collect();
        let of = |name: &str| stored.iter().find(|o| o.name.as_str() == name).unwrap().clone();
        let text = serde_json::to_string(&stored).unwrap();
        assert!(!text.contains("geheim"), "{text}");
        assert_eq!(of("hook").spec["secret_file"], "/run/s", "a place is no secret");
        assert_eq!(of("hook").spec["headers"]["X-Env"], "env:HOOK");
        for (place, value, secret) in [
            ("Receiver/mail/password_file", &of("mail").spec["password_file"], "geheim1"),
            ("Receiver/hook/x-key", &of("hook").spec["headers"]["X-Key"], "geheim2"),
            ("Channel/c/authorization", &of("c").spec["streams"][0]["headers"]["Authorization"], "geheim3"),
        ] {
            assert_eq!(keys.open(place, value.as_str().unwrap()).unwrap().reveal(), secret, "{place}");
        }

        // Applied again it changes nothing; what is shown has a mark, and the mark keeps the value.
        let again = seal_documents(&documents(TEXT), &stored).unwrap();
        assert!(plan(&stored, &again, None).unwrap().is_empty());
        let shown: Vec<ConfigObject> = stored.iter().cloned().map(without_secrets).collect();
        let yaml = ow_config::export(&shown);
        assert!(yaml.contains(HIDDEN) && !yaml.contains(SEALED) && yaml.contains("/run/s"), "{yaml}");
        let back = seal_documents(&documents(&yaml), &stored).unwrap();
        assert!(plan(&stored, &back, None).unwrap().is_empty());
        // Another value is a change, which shows neither.
        let other = seal_documents(&documents(&TEXT.replace("geheim1", "geheim9")), &stored).unwrap();
        let change = plan(&stored, &other, None).unwrap();
        assert_eq!(change.update.len(), 1);
        let told = change.to_json().to_string();
        assert!(!told.contains("geheim") && !told.contains(SEALED), "{told}");

        // A new key: everything is sealed anew and opens.
        let id = keys.rotate().unwrap();
        let (changes, n_values) = reseal(&stored, &keys).unwrap();
        assert_eq!((changes.len(), n_values), (3, 3));
        let text = format!("{changes:?}");
        assert_eq!(text.matches(&format!("{SEALED}1:{id}:")).count(), 3, "{text}");
        keys.drop_old().unwrap();
        for change in &changes {
            let ConfigChange::Update(object) = change else { panic!("{change:?}") };
            reseal(std::slice::from_ref(object), &keys).unwrap();
        }
    }
}
