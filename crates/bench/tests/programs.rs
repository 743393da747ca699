//! The programs of the benches do what they are there to measure.

use pawl_bench::{PROGRAMS, program};

#[test]
fn every_program_runs_to_its_end_however_often_it_is_to_be_done() {
    for program in PROGRAMS {
        for count in [1, 2, 300] {
            let mut world = (program.prepare)(count);
            program.run(&mut world, count);
        }
    }
}

#[test]
fn each_step_and_each_write_is_a_change_and_a_replay_is_none() {
    for (name, least, most) in [("step", 20, 20), ("write", 20, 20), ("replay", 0, 0)] {
        let program = program(name).expect("one of the programs");
        let mut world = (program.prepare)(20);
        let before = world.stats().changes;
        program.run(&mut world, 20);
        let made = world.stats().changes - before;
        assert!((least..=most).contains(&made), "{name}: {made} changes");
    }
}
