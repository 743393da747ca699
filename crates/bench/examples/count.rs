//! Goes through one of the hot paths so many times, to be counted by callgrind (`benches/README.md`, *Instruction counts*):
//! `count <program> <times>`. Prints what was committed, so that a count of less work is not taken for a faster one.
#![allow(clippy::unwrap_used, reason = "a program for benches: whatever is wrong ends it")]

use pawl_bench::{PROGRAMS, program};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let names = PROGRAMS.map(|program| program.name).join(", ");
    let [name, count] = &args[..] else { panic!("count <program> <times>; the programs are {names}") };
    let count = count.parse().unwrap();
    let Some(program) = program(name) else { panic!("found {name}, expected one of {names}") };
    let mut world = (program.prepare)(count);
    program.run(&mut world, count);
    println!("{name}: {:?}", world.stats());
}
