//! One JSON document: bytes, nanoseconds, and numbers as numbers.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::ratios;
use crate::results::Results;

/// The document: the results, the goals, and how much was dropped.
///
/// # Errors
/// Never: all of it can be written as JSON.
pub fn document(results: &Results) -> Result<Value> {
    let mut value = serde_json::to_value(results).context("writing JSON")?;
    let mut goals = serde_json::to_value(ratios::ratios(results))?;
    if let (Some(list), known) = (goals.as_array_mut(), ratios::ratios(results)) {
        for (goal, ratio) in list.iter_mut().zip(known) {
            goal["met"] = json!(ratio.is_met());
        }
    }
    let (dropped, rounds) = results.dropped();
    value["goals"] = goals;
    value["rounds_dropped"] = json!(dropped);
    value["rounds_made"] = json!(rounds);
    value["messages_checked"] = json!(results.messages());
    Ok(value)
}

/// The results of such a document.
///
/// # Errors
/// It is none.
pub fn read(text: &str) -> Result<Results> {
    serde_json::from_str(text).context("this is no document of ringpost-compare")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn a_document_can_be_read_again() {
        let results = example();
        let document = document(&results).unwrap();
        assert_eq!(document["cells"].as_array().unwrap().len(), results.cells.len());
        assert!(document["goals"].as_array().unwrap().iter().any(|goal| goal["met"] == json!(true)));
        let again = read(&document.to_string()).unwrap();
        assert_eq!(super::document(&again).unwrap()["cells"], document["cells"]);
        assert!(read("{}").is_err());
    }
}
