//! The OpenAPI documents (3.1) of the sockets: from the types that the daemon itself reads and writes.
//!
//! A document is made once, when it is first asked for. docs/openapi holds both as files.

use std::collections::BTreeMap;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answer::{Answer, ProblemJson};
use super::problem_type::{
    INTERNAL, MALFORMED, PREFIX, ProblemType, TIMEOUT, TOO_LARGE, TOO_MANY_CONNECTIONS,
};

/// What any call may be answered with.
const ALWAYS: [ProblemType; 5] = [MALFORMED, TIMEOUT, TOO_LARGE, INTERNAL, TOO_MANY_CONNECTIONS];

const JSON: &str = "application/json";

/// A document that grows call by call.
pub(super) struct OpenApi {
    title: &'static str,
    description: &'static str,
    paths: BTreeMap<String, Map<String, Value>>,
    bodies: SchemaGenerator,
    answers: SchemaGenerator,
    problem: Schema,
}

/// One call, being described.
pub(super) struct Call<'a> {
    api: &'a mut OpenApi,
    path: &'static str,
    method: &'static str,
    parameters: Vec<Value>,
    said: Map<String, Value>,
    responses: BTreeMap<String, Value>,
    problems: Vec<ProblemType>,
}

impl OpenApi {
    pub(super) fn new(title: &'static str, description: &'static str) -> OpenApi {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            // What is left out and what is the default stands in the descriptions.
            settings.with_transform(RecursiveTransform(|schema: &mut Schema| {
                schema.remove("default");
            }))
        };
        let mut answers = settings().for_serialize().into_generator();
        let problem = answers.subschema_for::<ProblemJson<'_>>();
        let bodies = settings().for_deserialize().into_generator();
        OpenApi { title, description, paths: BTreeMap::new(), bodies, answers, problem }
    }

    pub(super) fn get(&mut self, path: &'static str, summary: &str) -> Call<'_> {
        self.call("get", path, summary)
    }

    pub(super) fn post(&mut self, path: &'static str, summary: &str) -> Call<'_> {
        self.call("post", path, summary)
    }

    fn call(&mut self, method: &'static str, path: &'static str, summary: &str) -> Call<'_> {
        let parts = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters = parts
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
            .collect();
        let said = Map::from_iter([("summary".to_owned(), json!(summary))]);
        let (responses, problems) = (BTreeMap::new(), ALWAYS.to_vec());
        Call { api: self, path, method, parameters, said, responses, problems }
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> Value {
        let mut schemas = self.bodies.take_definitions(true);
        schemas.extend(self.answers.take_definitions(true));
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "description": self.description,
                "version": env!("CARGO_PKG_VERSION"),
                "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
            },
            "externalDocs": {
                "description": "What each problem type means, and what to change",
                "url": concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/problems.md"),
            },
            "servers": [{"url": "http://localhost", "description": "Over the Unix socket; the host's name means nothing"}],
            "paths": self.paths,
            "components": {"schemas": schemas},
        })
    }
}

impl Call<'_> {
    /// Its body as JSON, which may be left out where an empty object will do.
    pub(super) fn takes<T: JsonSchema>(self, required: bool) -> Self {
        let schema = self.api.bodies.subschema_for::<T>();
        self.body(JSON, json!(schema), required)
    }

    /// Its body as a form.
    pub(super) fn takes_form<T: JsonSchema>(self) -> Self {
        let schema = self.api.bodies.subschema_for::<T>();
        self.body("application/x-www-form-urlencoded", json!(schema), true)
    }

    /// Its body as whatever fits a schema.
    pub(super) fn body(mut self, kind: &str, schema: Value, required: bool) -> Self {
        let body = json!({"required": required, "content": {kind: {"schema": schema}}});
        self.said.insert("requestBody".to_owned(), body);
        self
    }

    /// A header, or a part of the query.
    pub(super) fn parameter(mut self, place: &str, name: &str, required: bool, description: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": place, "required": required, "description": description, "schema": {"type": "string"},
        }));
        self
    }

    /// An answer as JSON.
    pub(super) fn gives<T: JsonSchema>(self, status: u16, description: &str) -> Self {
        let schema = self.api.answers.subschema_for::<T>();
        self.gives_as(status, description, JSON, json!(schema))
    }

    /// An answer of another kind.
    pub(super) fn gives_as(mut self, status: u16, description: &str, kind: &str, schema: Value) -> Self {
        let response = self.response(status);
        response["content"][kind] = json!({"schema": schema});
        append(response, description);
        self
    }

    /// An answer without a body.
    pub(super) fn gives_nothing(mut self, status: u16, description: &str) -> Self {
        append(self.response(status), description);
        self
    }

    /// A header of the answers with that status.
    pub(super) fn with_header(mut self, status: u16, name: &str, description: &str) -> Self {
        self.response(status)["headers"][name] =
            json!({"description": description, "schema": {"type": "string"}});
        self
    }

    /// The problems that are its own.
    pub(super) fn refuses(mut self, types: &[ProblemType]) -> Self {
        self.problems.extend(types);
        self
    }

    /// Problems and all.
    pub(super) fn end(mut self) {
        let problems = std::mem::take(&mut self.problems);
        let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for problem in problems {
            by_status.entry(problem.status.as_u16()).or_default().push(format!("{PREFIX}{}", problem.name));
        }
        for (status, types) in by_status {
            let mut schema = json!(self.api.problem);
            schema["properties"] = json!({"type": {"enum": types}});
            self = self.gives_as(status, "A problem", "application/problem+json", schema);
        }
        let Call { api, path, method, parameters, mut said, responses, .. } = self;
        if !parameters.is_empty() {
            said.insert("parameters".to_owned(), json!(parameters));
        }
        said.insert("responses".to_owned(), json!(responses));
        api.paths.entry(path.to_owned()).or_default().insert(method.to_owned(), Value::Object(said));
    }

    fn response(&mut self, status: u16) -> &mut Value {
        self.responses.entry(status.to_string()).or_insert_with(|| json!({"description": ""}))
    }
}

/// One status may have several answers.
fn append(response: &mut Value, description: &str) {
    let before = response["description"].as_str().unwrap_or_default();
    let joined =
        if before.is_empty() { description.to_owned() } else { format!("{before}, or: {description}") };
    response["description"] = json!(joined);
}

/// A document as it is served and lies in docs/openapi.
pub(super) fn written(document: &Value) -> Bytes {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    Bytes::from(text)
}

/// The answer to `GET /openapi.json`.
pub(super) fn serve(document: &Bytes) -> Answer {
    let mut answer = Response::new(Full::new(document.clone()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}
