//! The other policy: from a document, a template or a compiled policy.

use std::path::Path;

use ow_config::{SourceFile, compile_all, template_settings};
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::policy::ChannelPolicy;

/// The recorded policies with what the file says of them: class, limits, checks, ladder, times and labels. Channel, streams
/// and probes stay as recorded, as the captures are of those. A channel under another name stands for the recorded
/// one when there is only one of each; a template stands for all.
pub fn read(path: &Path, recorded: &[ChannelPolicy]) -> Result<Vec<ChannelPolicy>, Vec<String>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| vec![format!("{name}: cannot be read: {e}")])?;
    if let Ok(policy) = serde_json::from_str::<ChannelPolicy>(&text) {
        return merged(&name, recorded, &[policy]);
    }
    let documents = ow_config::read(&[SourceFile { name: name.clone(), text }])
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let objects: Vec<ConfigObject> = documents.into_iter().map(|d| d.object).collect();
    let (policies, errors) = compile_all(&objects);
    if !errors.is_empty() {
        return Err(errors.iter().map(|e| format!("{name}: {e}")).collect());
    }
    if !policies.is_empty() {
        return merged(&name, recorded, &policies);
    }
    let Some(template) = objects.iter().rev().find(|o| o.kind == ConfigKind::Template) else {
        return Err(vec![format!("{name}: holds no document of kind Channel or Template")]);
    };
    let settings = template_settings(&objects, &template.name).map_err(|e| vec![format!("{name}: {e}")])?;
    let with_template = |policy: &ChannelPolicy| ChannelPolicy {
        class: settings.class,
        limits: settings.limits.clone(),
        checks: settings.checks.clone(),
        ladder: settings.ladder.clone(),
        ..policy.clone()
    };
    Ok(recorded.iter().map(with_template).collect())
}

fn merged(name: &str, recorded: &[ChannelPolicy], file: &[ChannelPolicy]) -> Result<Vec<ChannelPolicy>, Vec<String>> {
    let alone = recorded.len() == 1 && file.len() == 1;
    let mut any = false;
    let merged = recorded
        .iter()
        .map(|recorded| {
            let Some(other) = file.iter().find(|other| alone || other.channel == recorded.channel) else {
                return recorded.clone();
            };
            any = true;
            ChannelPolicy {
                channel: recorded.channel.clone(),
                streams: recorded.streams.clone(),
                probes: recorded.probes.clone(),
                revision: recorded.revision,
                ..other.clone()
            }
        })
        .collect();
    if any { Ok(merged) } else { Err(vec![format!("{name}: is of no channel that is recorded")]) }
}
