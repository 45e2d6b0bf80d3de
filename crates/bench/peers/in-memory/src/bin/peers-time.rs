//! Times every operation, with the allocations that `peers-count` printed into the file that is
//! named, and prints what `bench core --more` reads.

use std::collections::HashMap;

use bench::operation::Pool;
use bench::report;
use bench::rounds::Effort;

fn main() {
    let file = std::env::args()
        .nth(1)
        .expect("it is told where the allocations are");
    let text = std::fs::read_to_string(file).expect("the file is there");
    let counted: HashMap<String, Vec<f64>> = serde_json::from_str(&text).expect("it is JSON");
    let measured = in_memory::ALL.iter().map(|(name, make)| {
        let counted = counted.get(*name).map(Vec::as_slice);
        report::run(make(Pool(256)), Effort::FULL, counted)
    });
    let measured = measured.collect::<Vec<_>>();
    let json = serde_json::to_string_pretty(&measured).expect("numbers and texts are JSON");
    println!("{json}");
}
