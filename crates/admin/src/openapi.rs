//! The API's document, in OpenAPI 3.1: of the table of routes from which the router is made, and of the types of its
//! handlers.

use std::{collections::BTreeMap, sync::LazyLock};

use nuncio_audit::Scope;
use utoipa::openapi::{
    Components, Content, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Required,
    ResponseBuilder, Schema,
    path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    schema::Type,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::{
    api::{ErrorCode, Failure},
    routes::{Row, Shown, Sketch, TABLE},
    server::needed,
};

const ABOUT: &str = "\
Of one node, for its operator. Over the unix socket the kernel says who asks; over TCP a token or an operator's certificate does, and \
nobody is answered without. Reading (GET) needs the scope `read`, everything else `full`. Fields are a contract: they stay, and more may \
be added, as may codes of errors and parameters.";

/// The document, as it is served.
pub(crate) fn document() -> &'static serde_json::Value {
    static DOCUMENT: LazyLock<serde_json::Value> =
        LazyLock::new(|| serde_json::to_value(written()).unwrap_or_default());
    &DOCUMENT
}

/// The API's document in OpenAPI 3.1, as JSON for people.
pub fn openapi() -> String {
    format!("{:#}\n", document())
}

/// Whether the document knows this request.
pub(crate) fn knows(method: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    TABLE.iter().any(|row| row.method == method && fits(row.path, path))
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            // An empty one is the server's to refuse.
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn written() -> OpenApi {
    let mut failure = Sketch::default();
    let schema = Failure::show(&mut failure);
    let mut schemas: BTreeMap<String, RefOr<Schema>> = failure.schemas.into_iter().collect();
    let mut paths = Paths::new();
    for row in TABLE {
        let sketch = (row.describe)();
        schemas.extend(sketch.schemas.iter().cloned());
        paths.add_path_operation(row.path, vec![http_method(row)], operation(row, sketch, &schema));
    }
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("Of `nuncio token make`."));
    let certificate = SecurityScheme::MutualTls {
        description: Some("An operator's, of `nuncio cert issue --kind operator`.".to_owned()),
        deprecated: None,
        extensions: None,
    };
    let components = Components::builder()
        .schemas_from_iter(schemas)
        .security_scheme("token", SecurityScheme::Http(token.build()))
        .security_scheme("certificate", certificate);
    let licence = License::builder().name("Apache-2.0").identifier(Some("Apache-2.0"));
    let info = InfoBuilder::new().title("Nuncio's admin API").version(env!("CARGO_PKG_VERSION"));
    let mut info = info.description(Some(ABOUT)).license(Some(licence.build())).build();
    info.contact = None;
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components.build()))
        .security(Some(["token", "certificate"].map(|name| SecurityRequirement::new(name, [""; 0]))))
        .build()
}

fn operation(row: &Row, sketch: Sketch, failure: &RefOr<Schema>) -> Operation {
    let scope = if needed(&row.method) == Scope::Full { "full" } else { "read" };
    let (tag, _) = row.name.split_once("::").unwrap_or((row.name, ""));
    let parameters: Vec<Parameter> = segments(row.path).chain(sketch.parameters).collect();
    let mut operation = OperationBuilder::new()
        .tag(tag.replace('_', "-"))
        .operation_id(Some(row.name.replace("::", "_")))
        .summary(Some(row.summary))
        .description(Some(format!("Needs the scope `{scope}`.")))
        .parameters(Some(parameters))
        .request_body(sketch.request);
    let mut failures: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    // The guard's, before all.
    let codes = [ErrorCode::Unauthorized, ErrorCode::Forbidden, ErrorCode::Denied].into_iter();
    for code in codes.chain(sketch.failures).chain(row.failures.iter().copied()) {
        let codes = failures.entry(code.http_status()).or_default();
        if !codes.contains(&code.as_str()) {
            codes.push(code.as_str());
        }
    }
    for (status, codes) in failures.into_iter().filter(|(status, _)| sketch.answers.iter().all(|one| one.0 != *status))
    {
        let content = Content::new(Some(failure.clone()));
        let words = format!("`error` is `{}`.", codes.join("` or `"));
        let answer = ResponseBuilder::new().description(words).content("application/json", content);
        operation = operation.response(status.to_string(), answer.build());
    }
    for (status, answer) in sketch.answers {
        operation = operation.response(status.as_str(), answer);
    }
    operation.build()
}

/// The parameters in a path.
fn segments(path: &'static str) -> impl Iterator<Item = Parameter> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        let words = match name {
            "node" => "A node's ID, 128 hexadecimal digits, or a beginning of it that fits one known node only.",
            "topic" => "A topic.",
            _ => "The name that came with the message.",
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(words))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1))))
            .build()
    })
}

fn http_method(row: &Row) -> HttpMethod {
    match row.method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn operations() -> BTreeSet<(String, String)> {
        let paths = document()["paths"].as_object().expect("paths").iter();
        paths
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("an item").keys();
                methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn every_route_is_an_operation_with_words_and_a_name_of_its_own() {
        let routes: BTreeSet<_> = TABLE.iter().map(|row| (row.method.to_string(), row.path.to_owned())).collect();
        assert_eq!(operations(), routes);
        let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
        assert_eq!(document()["openapi"], "3.1.0");
    }

    /// All that a `$ref` names is there.
    #[test]
    fn no_reference_leads_nowhere() {
        let text = document().to_string();
        let named =
            text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
        let held: BTreeSet<_> =
            document()["components"]["schemas"].as_object().expect("schemas").keys().map(String::as_str).collect();
        // What events hold is named in words.
        let in_words = held.iter().copied().filter(|name| text.contains(&format!("`{name}`")));
        let named: BTreeSet<_> = named.chain(in_words).collect();
        assert_eq!(named, held, "and all that is there is named");
        assert!(named.len() > 15);
    }

    /// Paths as the client's sources write them, whatever is put into them.
    #[test]
    fn the_typed_client_asks_for_nothing_else() {
        let source = include_str!("client.rs");
        let literals: Vec<_> =
            source.split('"').filter(|one| one.starts_with("/v1/") || one.ends_with("?verbose")).collect();
        assert!(literals.len() > 25, "they were found");
        for literal in literals {
            let path = literal.replace("{}", "x");
            let is_known = ["GET", "POST", "PUT", "DELETE"].iter().any(|method| knows(method, &path));
            assert!(is_known, "{literal} is no path of the document");
        }
        assert!(knows("GET", "/v1/route/ab?x=1") && !knows("POST", "/v1/route/ab"));
        assert!(!knows("GET", "/v1/route") && !knows("GET", "/v1/route/a/b"));
    }
}
