//! Puts the functions that keep the budget into an expression.

use xsd_schema::types::value::XmlValue;
use xsd_schema::xpath::ast::{
    AstNode, BinaryOpKind, FunctionCallNode, ItemTypeNode, SourceSpan, TypeExprKind, ValueNode,
};
use xsd_schema::xpath::{AstArena, AstNodeId};

use super::{Meter, PREFIX};

/// Nodes of an expression that count as one move each time round.
const NODES_PER_MOVE: usize = 16;

/// Types whose values are read in time that grows with the square of their digits.
const NUMBERS: &[&str] = &[
    "decimal",
    "integer",
    "nonPositiveInteger",
    "negativeInteger",
    "long",
    "int",
    "short",
    "byte",
    "nonNegativeInteger",
    "unsignedLong",
    "unsignedInt",
    "unsignedShort",
    "unsignedByte",
    "positiveInteger",
];

/// Puts our functions into an expression that is parsed and not yet bound.
pub(in crate::rules) fn put_into(arena: &mut AstArena) {
    let count = u32::try_from(arena.len()).unwrap_or(u32::MAX);
    for id in 0..count {
        match arena.get(id).clone() {
            AstNode::VarRef(_) => in_place(arena, id, Meter::Look),
            AstNode::Range(range) => {
                *arena.get_mut(id) = call(Meter::Range, vec![range.start, range.end]);
            }
            AstNode::For(mut node) => {
                node.return_expr = round(arena, node.return_expr);
                *arena.get_mut(id) = AstNode::For(node);
            }
            AstNode::Quantified(mut node) => {
                node.satisfies = round(arena, node.satisfies);
                *arena.get_mut(id) = AstNode::Quantified(node);
            }
            AstNode::FilterExpr(mut node) => {
                node.predicates = node.predicates.iter().map(|p| condition(arena, *p)).collect();
                *arena.get_mut(id) = AstNode::FilterExpr(node);
            }
            AstNode::PathStep(mut node) if !node.predicates.is_empty() => {
                node.predicates = node.predicates.iter().map(|p| condition(arena, *p)).collect();
                *arena.get_mut(id) = AstNode::PathStep(node);
            }
            AstNode::PathExpr(mut node) => {
                for step in node.steps.iter_mut().skip(1) {
                    if !matches!(arena.get(*step), AstNode::PathStep(_)) {
                        *step = condition(arena, *step);
                    }
                }
                *arena.get_mut(id) = AstNode::PathExpr(node);
            }
            AstNode::FunctionCall(mut node)
                if node.args.len() == 1 && NUMBERS.contains(&&*node.local_name) =>
            {
                node.args = vec![around(arena, node.args[0], Meter::Digits)];
                *arena.get_mut(id) = AstNode::FunctionCall(node);
            }
            AstNode::TypeExpr(mut node)
                if matches!(node.kind, TypeExprKind::CastAs | TypeExprKind::CastableAs)
                    && matches!(&node.target_type.item_type, Some(ItemTypeNode::Atomic(name))
                        if NUMBERS.contains(&&*name.local)) =>
            {
                node.operand = around(arena, node.operand, Meter::Digits);
                *arena.get_mut(id) = AstNode::TypeExpr(node);
            }
            AstNode::BinaryOp(mut node) => {
                use BinaryOpKind::*;
                let right = match node.kind {
                    Mul => {
                        in_place(arena, id, Meter::Product);
                        continue;
                    }
                    GeneralEq | GeneralNe => Meter::RightIndexed,
                    GeneralLt | GeneralLe | GeneralGt | GeneralGe => Meter::RightPairs,
                    _ => continue,
                };
                // One side is one value, or both are nodes that are looked for in an index.
                let one = |id| matches!(arena.get(id), AstNode::Value(_) | AstNode::ContextItem(_));
                let path =
                    |id| matches!(arena.get(id), AstNode::PathExpr(_) | AstNode::PathStep(_));
                let indexed = right == Meter::RightIndexed;
                if one(node.left)
                    || one(node.right)
                    || indexed && path(node.left) && path(node.right)
                {
                    continue;
                }
                node.left = around(arena, node.left, Meter::Left);
                node.right = around(arena, node.right, right);
                *arena.get_mut(id) = AstNode::BinaryOp(node);
            }
            _ => {}
        }
    }
}

fn call(meter: Meter, args: Vec<AstNodeId>) -> AstNode {
    let span = SourceSpan::default();
    AstNode::FunctionCall(FunctionCallNode::new(
        PREFIX.to_owned(),
        meter.name().to_owned(),
        args,
        span,
    ))
}

fn around(arena: &mut AstArena, id: AstNodeId, meter: Meter) -> AstNodeId {
    arena.add(call(meter, vec![id]))
}

fn in_place(arena: &mut AstArena, id: AstNodeId, meter: Meter) {
    let inner = arena.get(id).clone();
    let inner = arena.add(inner);
    *arena.get_mut(id) = call(meter, vec![inner]);
}

/// A number in brackets is a place, and is left alone: the engine looks at it.
fn condition(arena: &mut AstArena, id: AstNodeId) -> AstNodeId {
    if matches!(arena.get(id), AstNode::Value(_)) { id } else { round(arena, id) }
}

fn round(arena: &mut AstArena, id: AstNodeId) -> AstNodeId {
    // What is below has at most all nodes there are.
    let size = (arena.len() / NODES_PER_MOVE) as f64;
    let size = arena.add(AstNode::Value(ValueNode::Typed(XmlValue::double(size))));
    arena.add(call(Meter::Round, vec![id, size]))
}

/// The longest number in an expression, in digits.
pub(in crate::rules) fn longest_number(arena: &AstArena) -> usize {
    let digits = |node: &AstNode| match node {
        AstNode::Value(ValueNode::Integer(text) | ValueNode::Decimal(text)) => text.len(),
        _ => 0,
    };
    arena.iter().map(|(_, node)| digits(node)).max().unwrap_or(0)
}
