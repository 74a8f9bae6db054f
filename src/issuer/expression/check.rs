//! What an expression must be before it runs: short, shallow, and made of names that there are.
//!
//! The parser and the evaluator recurse without a limit of their own, so what
//! can nest is counted before it is parsed, and depth is looked at before it is evaluated.

use std::collections::VecDeque;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, SelectExpr};
use livekit_keyd_core::nearest::nearest;

/// The longest text, in bytes.
const LONGEST: usize = 4096;
/// The most of what can nest.
const MOST_BRACKETS: usize = 128;
/// The deepest tree; a chain of operators is as deep as it is long.
const DEEPEST_TREE: usize = 32;
/// Loops within loops: two compare each of one list with each of another.
const DEEPEST_LOOPS: usize = 2;

/// The variables of a rule.
const VARIABLES: [&str; 2] = ["claims", "request"];
/// Names of types, which `type(x) == string` compares with.
const TYPES: [&str; 11] =
    ["bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint"];
/// The functions of the standard library that are of use over JSON.
const FUNCTIONS: [&str; 13] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

/// Looks at the text alone. What stands in quotes counts too: no need to know where a text ends.
pub(super) fn text(source: &str) -> Result<(), String> {
    if source.len() > LONGEST {
        return Err(format!("has {} bytes, and {LONGEST} are the most", source.len()));
    }
    let brackets = source.chars().filter(|c| matches!(c, '(' | '[' | '{' | '?')).count();
    if brackets > MOST_BRACKETS {
        return Err(format!(
            "has {brackets} opening brackets and question marks, and {MOST_BRACKETS} are the most"
        ));
    }
    Ok(())
}

/// A part of a tree, how deep it lies, and what loops around it name.
struct Part<'a> {
    tree: &'a IdedExpr,
    depth: usize,
    loops: usize,
    names: Vec<&'a str>,
}

/// Looks at the tree, without recursion.
pub(super) fn tree(root: &IdedExpr) -> Result<(), String> {
    let mut parts = VecDeque::from([Part { tree: root, depth: 1, loops: 0, names: Vec::new() }]);
    while let Some(part) = parts.pop_front() {
        if part.depth > DEEPEST_TREE {
            return Err(format!("is nested more than {DEEPEST_TREE} deep, counting operators in a row"));
        }
        let mut below = |tree| {
            let (depth, loops, names) = (part.depth + 1, part.loops, part.names.clone());
            parts.push_back(Part { tree, depth, loops, names });
        };
        match &part.tree.expr {
            Expr::Literal(_) => {}
            Expr::Unspecified => return Err("is no whole expression".to_owned()),
            Expr::Ident(name) => variable(name, &part.names)?,
            Expr::Select(SelectExpr { operand, .. }) => below(operand),
            Expr::Call(call) => {
                function(&call.func_name)?;
                if call.func_name == "matches" {
                    pattern(call.args.last())?;
                }
                call.target.iter().for_each(|target| below(target));
                call.args.iter().for_each(&mut below);
            }
            Expr::List(list) => list.elements.iter().for_each(below),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        below(&entry.key);
                        below(&entry.value);
                    }
                }
            }
            Expr::Struct(_) => return Err("makes a message, and there are none here".to_owned()),
            Expr::Comprehension(one) => {
                if part.loops == DEEPEST_LOOPS {
                    return Err(format!("has more than {DEEPEST_LOOPS} loops within each other"));
                }
                below(&one.iter_range);
                let mut names = part.names.clone();
                names.extend([one.iter_var.as_str(), one.accu_var.as_str()]);
                for tree in [&one.accu_init, &one.loop_cond, &one.loop_step, &one.result] {
                    let (depth, loops) = (part.depth + 1, part.loops + 1);
                    parts.push_back(Part { tree, depth, loops, names: names.clone() });
                }
            }
        }
    }
    Ok(())
}

fn variable(name: &str, loops: &[&str]) -> Result<(), String> {
    if VARIABLES.contains(&name) || TYPES.contains(&name) || loops.contains(&name) {
        return Ok(());
    }
    match nearest(name, VARIABLES) {
        Some(meant) => Err(format!("there is no `{name}`; did you mean `{meant}`?")),
        None => Err(format!("there is no `{name}` here, only `claims` and `request`")),
    }
}

fn function(name: &str) -> Result<(), String> {
    let operator = !name.starts_with(char::is_alphabetic);
    if operator || FUNCTIONS.contains(&name) {
        return Ok(());
    }
    match nearest(name, FUNCTIONS) {
        Some(meant) => Err(format!("there is no function `{name}`; did you mean `{meant}`?")),
        None => Err(format!("there is no function `{name}`; there are {}", FUNCTIONS.join(", "))),
    }
}

/// A pattern out of a claim could be made to cost much, or to fit everything.
fn pattern(argument: Option<&IdedExpr>) -> Result<(), String> {
    let Some(Expr::Literal(LiteralValue::String(pattern))) = argument.map(|argument| &argument.expr) else {
        return Err("`matches` takes its pattern as text in quotes, never from a claim".to_owned());
    };
    regex::Regex::new(pattern.inner())
        .map(|_| ())
        .map_err(|_| "has a pattern that is no regular expression".to_owned())
}
