//! What the fuzz targets do with an input. The ordinary test `tests/bad_bytes` runs the same code over the kept inputs and
//! over random ones.

pub mod input;
pub mod live;
pub mod open;
pub mod words;
