//! Programs that nobody changed, crashed up to three times.

use idempotent_model::gate::{GateRules, Shape};

use super::programs::refused;

/// Asserts that some honest program is refused, and prints the shortest.
fn refuses(shape: Shape, rules: GateRules) {
    let refused = refused(shape, rules);
    println!("{} refused, for instance {:?}", refused.len(), refused.first());
    assert_ne!(refused.len(), 0, "{rules:?}");
}

#[test]
fn no_honest_program_is_refused_and_every_one_ends() {
    assert_eq!(refused(Shape::HONEST, GateRules::ALL), [""; 0]);
}

#[test]
fn without_tried_marks_a_step_that_failed_once_is_refused() {
    refuses(Shape::HONEST, GateRules { tried_marks: false, ..GateRules::ALL });
}

#[test]
fn a_tried_mark_that_only_one_write_carries_is_lost_with_it() {
    refuses(Shape::HONEST, GateRules { tried_until_acknowledged: false, ..GateRules::ALL });
}

#[test]
fn without_drop_poison_a_step_that_a_timeout_dropped_is_refused() {
    refuses(Shape::HONEST, GateRules { drop_poison: false, ..GateRules::ALL });
}

#[test]
fn a_step_that_is_dropped_at_the_gate_without_poison_is_refused_later() {
    refuses(Shape::HONEST, GateRules { waiting_poison: false, ..GateRules::ALL });
}

#[test]
fn a_gate_whose_patience_runs_out_while_bodies_run_refuses_what_comes_after_them() {
    refuses(Shape::HONEST, GateRules { patient: false, ..GateRules::ALL });
}

#[test]
fn a_body_that_fails_before_the_steps_beside_it_have_arrived_is_refused() {
    refuses(Shape::HONEST, GateRules { yields: false, ..GateRules::ALL });
}

#[test]
fn a_swallowed_block_of_several_steps_needs_a_step_around_it() {
    refuses(Shape { swallows_blocks: true, ..Shape::HONEST }, GateRules::ALL);
}
