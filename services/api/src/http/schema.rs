//! Schemas of values that are not ours to describe: those of the domain bring their own.

use ow_domain::Severity;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};

/// For `#[schema(schema_with = severity)]`.
pub fn severity() -> RefOr<Schema> {
    let words = Severity::ALL.map(|severity| severity.as_str());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

/// RFC 3339 in UTC.
pub fn time() -> RefOr<Schema> {
    let format = SchemaFormat::Custom("date-time".into());
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
}

/// The same or null.
pub fn optional_time() -> RefOr<Schema> {
    let format = SchemaFormat::Custom("date-time".into());
    let kinds = SchemaType::Array(vec![Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(kinds).format(Some(format)).into()
}

/// A reference to a type of the domain; its schema is put into the document by [`add_domain`].
pub fn domain<T: JsonSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::schema_name()).into()
}

/// A list of such.
pub fn list_of<T: JsonSchema>() -> RefOr<Schema> {
    let name = Ref::from_schema_name(T::schema_name());
    utoipa::openapi::ArrayBuilder::new().items(name).into()
}

/// Schemas of the domain that answers and bodies may refer to by [`domain`], with all that they refer to. A type that
/// is missing here makes the test of the document fail.
fn of_domain() -> Map<String, Value> {
    // JSON Schema 2020-12 is what OpenAPI 3.1 speaks.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    generator.subschema_for::<ow_domain::verdict::Verdict>();
    generator.subschema_for::<ow_domain::policy::ChannelPolicy>();
    generator.subschema_for::<ow_domain::incident::Notice>();
    generator.take_definitions(true)
}

/// Adds schemas of the domain that are referred to and not there, until nothing is missing.
pub fn add_domain(document: &mut Value) {
    let known = of_domain();
    loop {
        let text = document.to_string();
        let there = document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
        let missing: Map<String, Value> = referred(&text)
            .filter(|name| !there.contains_key(*name))
            .filter_map(|name| Some((name.to_owned(), known.get(name)?.clone())))
            .collect();
        if missing.is_empty() {
            return;
        }
        if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
            schemas.extend(missing);
        } else {
            return;
        }
    }
}

/// Names behind `#/components/schemas/`.
fn referred(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("\"#/components/schemas/").skip(1);
    parts.filter_map(|rest| Some(rest.split_once('"')?.0))
}
