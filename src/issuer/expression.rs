//! Expressions of rules, in CEL (<https://cel.dev>): compiled at load, bounded when they run.
//!
//! Whoever writes a rule is trusted; the claims that it looks at are not. So
//! what an expression may cost is limited in both: its text and its depth before
//! anything runs, its steps and the size of what it builds while it runs.

mod bounds;
mod check;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use cel::{Context, Env, ExecutionError, IdedExpr, Value};

/// The standard library; nothing is added to it.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// What parsing the deepest text that is allowed takes, several times over, in bytes.
const PARSER_STACK: usize = 64 << 20;

/// A compiled expression.
#[derive(Clone, PartialEq)]
pub struct Expression {
    source: String,
    tree: Arc<IdedExpr>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// Why an expression gave nothing that can be used. It never repeats a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A claim is not there.
    Missing,
    /// Another error, such as a division by zero.
    Error,
    /// It took more than it may.
    TooMuch,
    /// Not the type that is needed there.
    WrongType,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failed::Missing => "needs a claim that is not there",
            Failed::Error => "failed",
            Failed::TooMuch => "took more steps or made longer values than allowed",
            Failed::WrongType => "gave a value of the wrong type",
        })
    }
}

/// What expressions speak of.
#[derive(Clone)]
pub struct Subject {
    claims: Value,
    request: Value,
}

impl Subject {
    /// Of claims and a request, as JSON.
    pub fn new(claims: &serde_json::Value, request: &serde_json::Value) -> Subject {
        Subject { claims: value(claims), request: value(request) }
    }
}

impl Expression {
    /// Compiles.
    ///
    /// # Errors
    /// A sentence: it is no CEL, it names what there is not, or it goes beyond what is allowed.
    pub fn compile(source: &str) -> Result<Expression, String> {
        check::text(source)?;
        // The parser's stack grows with depth as no other thread's does.
        let compiled = thread::scope(|scope| {
            let parser = thread::Builder::new().name("cel".to_owned()).stack_size(PARSER_STACK);
            let parser = parser.spawn_scoped(scope, || compile(source)).map_err(|error| error.to_string())?;
            parser.join().map_err(|_| "cannot be compiled".to_owned())?
        });
        Ok(Expression { source: source.to_owned(), tree: Arc::new(compiled?) })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// It gave neither true nor false.
    pub fn truth(&self, subject: &Subject) -> Result<bool, Failed> {
        match self.value(subject)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Failed::WrongType),
        }
    }

    /// The text that it gives.
    ///
    /// # Errors
    /// It gave no text.
    pub fn text(&self, subject: &Subject) -> Result<String, Failed> {
        match self.value(subject)? {
            Value::String(text) => Ok(text.to_string()),
            _ => Err(Failed::WrongType),
        }
    }

    fn value(&self, subject: &Subject) -> Result<Value, Failed> {
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        let left = Arc::new(AtomicUsize::new(bounds::MOST_STEPS));
        bounds::provide(&mut context, &left).map_err(|_| Failed::Error)?;
        context.add_variable_from_value("claims", subject.claims.clone());
        context.add_variable_from_value("request", subject.request.clone());
        match context.resolve(&self.tree) {
            Ok(value) => Ok(value),
            Err(_) if left.load(Ordering::Relaxed) == 0 => Err(Failed::TooMuch),
            Err(ExecutionError::NoSuchKey(_)) => Err(Failed::Missing),
            Err(_) => Err(Failed::Error),
        }
    }
}

fn compile(source: &str) -> Result<IdedExpr, String> {
    let mut tree = STANDARD.parser().parse(source).map_err(|error| {
        let error = error.to_string();
        match error.lines().next().unwrap_or_default() {
            line if line.contains("Recursion limit") => "is nested too deep".to_owned(),
            line => format!("is no CEL: {line}"),
        }
    })?;
    check::tree(&tree)?;
    bounds::insert(&mut tree);
    Ok(tree)
}

/// JSON as CEL has it; whole numbers are `int`, so that they can be compared and added to what a rule writes.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        serde_json::Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone().into(), value(member)));
            Value::Map(cel::objects::Map { map: Arc::new(members.collect()) })
        }
    }
}

#[cfg(test)]
mod tests;
