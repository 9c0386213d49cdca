//! `docmill schema`.

use super::args::{SchemaArgs, SchemaOf};
use super::exit::{CliError, Exit};
use super::print;
use crate::job::job_schema;
use crate::setup::settings_schema;

pub(super) fn schema(args: &SchemaArgs) -> Result<Exit, CliError> {
    print(&schema_text(args.of)?)?;
    Ok(Exit::Ok)
}

/// The JSON Schema of a file.
pub(super) fn schema_text(of: SchemaOf) -> Result<String, CliError> {
    let schema = match of {
        SchemaOf::Pipeline => settings_schema().map_err(CliError::internal)?,
        SchemaOf::Job => job_schema(),
    };
    serde_json::to_string_pretty(&schema).map_err(CliError::internal)
}
