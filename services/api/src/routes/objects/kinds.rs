//! What the kinds have of their own: filters of their lists, who may write them.

use ow_domain::access::Permission;
use ow_domain::config::ConfigKind;
use ow_store::config::FieldTest;

use crate::http::Query;

/// A filter of a list: name of the parameter, what it tests.
pub struct Filter {
    pub name: &'static str,
    pub test: Test,
    pub about: &'static str,
}

pub enum Test {
    Is(&'static str),
    Has(&'static str),
    Flag { field: &'static str, default: bool },
}

const fn is(name: &'static str, field: &'static str, about: &'static str) -> Filter {
    Filter { name, test: Test::Is(field), about }
}

const fn has(name: &'static str, field: &'static str, about: &'static str) -> Filter {
    Filter { name, test: Test::Has(field), about }
}

const fn flag(name: &'static str, default: bool, about: &'static str) -> Filter {
    Filter { name, test: Test::Flag { field: name, default }, about }
}

/// Filters beside `q`, `label.<name>` and `managed_by`, which all lists have.
pub fn filters(kind: ConfigKind) -> Vec<Filter> {
    match kind {
        ConfigKind::Channel => vec![
            is("template", "template", "Of this template."),
            is("packager", "packager", "Of this packager."),
            is("region", "region", "Of this region."),
            is("class", "class", "With this class of their own."),
            has("probe", "probes", "That this probe is to watch."),
            flag("enabled", true, "Enabled or disabled ones."),
        ],
        ConfigKind::Probe => {
            vec![is("region", "region", "Of this region."), flag("drain", false, "Draining ones or the others.")]
        }
        ConfigKind::Template => {
            vec![is("extends", "extends", "That extend this one."), is("class", "class", "Of this class.")]
        }
        ConfigKind::Receiver => vec![is("type", "type", "Of this type, such as slack.")],
        ConfigKind::Route => vec![has("receiver", "receivers", "That lead to this receiver.")],
        ConfigKind::Region => vec![is("parent", "parent", "Parts of this region.")],
        ConfigKind::Packager => vec![is("region", "region", "Of this region.")],
        ConfigKind::Group => vec![has("channel", "channels", "That list this channel.")],
        ConfigKind::Silence => vec![is("created_by", "createdBy", "Made by this person.")],
        ConfigKind::Maintenance => {
            vec![is("created_by", "createdBy", "Made by this person."), has("group", "groups", "About this group.")]
        }
    }
}

impl Filter {
    /// What the request says of it.
    pub fn read(&self, query: &mut Query) -> Option<FieldTest> {
        match self.test {
            Test::Is(field) => query.text(self.name).map(|text| FieldTest::Is(field, text)),
            Test::Has(field) => query.text(self.name).map(|text| FieldTest::Has(field, text)),
            Test::Flag { field, default } => {
                query.value(self.name, "true or false").map(|is| FieldTest::Flag { field, is, default })
            }
        }
    }
}

/// What writing an object of this kind needs.
pub const fn write_permission(kind: ConfigKind) -> Permission {
    match kind {
        ConfigKind::Probe => Permission::ProbesManage,
        ConfigKind::Silence => Permission::SilencesWrite,
        ConfigKind::Region
        | ConfigKind::Packager
        | ConfigKind::Receiver
        | ConfigKind::Route
        | ConfigKind::Template
        | ConfigKind::Channel
        | ConfigKind::Group
        | ConfigKind::Maintenance => Permission::ConfigWrite,
    }
}
