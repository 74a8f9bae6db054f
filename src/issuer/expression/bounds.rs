//! Counts steps and measures values while an expression runs.
//!
//! The evaluator has no limits of its own. So calls are put into the tree: one
//! into the condition of each loop, which ends it with an error once too many
//! rounds were made, and one around whatever makes a longer value of two. Their
//! names cannot be written in CEL.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cel::common::ast::{CallExpr, EntryExpr, Expr, operators};
use cel::{Context, DeclarationError, ExecutionError, IdedExpr, Value};

/// As many rounds as all loops of an expression may make together.
pub(super) const MOST_STEPS: usize = 4000;
/// A regular expression costs as much as so many rounds.
const PATTERN_STEPS: usize = 10;
/// The longest text, in bytes, or list that an operator may make.
const LONGEST_VALUE: usize = 64 * 1024;

const ROUND: &str = "@round";
const PATTERN: &str = "@pattern";
const MEASURED: &str = "@measured";

fn spend(left: &AtomicUsize, steps: usize) -> Result<(), ExecutionError> {
    let spent = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(steps));
    spent.map(|_| ()).map_err(|_| {
        left.store(0, Ordering::Relaxed);
        ExecutionError::function_error(ROUND, "too many steps")
    })
}

/// Gives the context what [`insert`] calls. `left` is 0 after it was too much.
pub(super) fn provide(
    context: &mut Context<'_, '_>,
    left: &Arc<AtomicUsize>,
) -> Result<(), DeclarationError> {
    let rounds = Arc::clone(left);
    context.add_function(ROUND, move |condition: Value| spend(&rounds, 1).map(|()| condition))?;
    let patterns = Arc::clone(left);
    context.add_function(PATTERN, move |text: Value| spend(&patterns, PATTERN_STEPS).map(|()| text))?;
    let values = Arc::clone(left);
    context.add_function(MEASURED, move |value: Value| {
        let length = match &value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(items) => items.len(),
            _ => 0,
        };
        if length > LONGEST_VALUE {
            values.store(0, Ordering::Relaxed);
            return Err(ExecutionError::function_error(MEASURED, "too long"));
        }
        Ok(value)
    })
}

/// Puts the calls into a tree whose depth is known to be small.
pub(super) fn insert(tree: &mut IdedExpr) {
    if is_sum(tree) {
        operands(tree);
        return wrap(tree, MEASURED);
    }
    match &mut tree.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
        Expr::Select(select) => insert(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(insert),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    insert(&mut entry.key);
                    insert(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(one) => {
            insert(&mut one.iter_range);
            insert(&mut one.loop_step);
            wrap(&mut one.loop_cond, ROUND);
        }
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| insert(target));
            call.args.iter_mut().for_each(insert);
            if call.func_name == "matches"
                && let Some(pattern) = call.args.last_mut()
            {
                wrap(pattern, PATTERN);
            }
        }
    }
}

/// A sum, but not what a loop appends to its own list: that grows by one each round, which counts already.
fn is_sum(tree: &IdedExpr) -> bool {
    let Expr::Call(call) = &tree.expr else { return false };
    let first = call.args.first().map(|first| &first.expr);
    call.func_name == operators::ADD && !matches!(first, Some(Expr::Ident(name)) if name.starts_with('@'))
}

/// A chain of sums is measured once: it is no longer than its text, times the longest value.
fn operands(tree: &mut IdedExpr) {
    let Expr::Call(call) = &mut tree.expr else { return };
    for operand in &mut call.args {
        if is_sum(operand) {
            operands(operand);
        } else {
            insert(operand);
        }
    }
}

fn wrap(tree: &mut IdedExpr, function: &str) {
    let inner = mem::take(tree);
    *tree = IdedExpr {
        id: inner.id,
        expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] }),
    };
}
