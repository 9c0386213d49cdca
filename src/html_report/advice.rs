//! What people can do about a failure or a stop, and the command that asks again.

use crate::ask::larger_cap;
use crate::model::{FailureCode, subcommand};

/// What to do about documents with a failure code.
pub fn advice(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Unreadable => "Check the file's permissions and its disk. Then ask again.",
        FailureCode::Vanished => "The file moved or was deleted during the run. Ask again.",
        FailureCode::Empty => "Give the document content, or exclude it. The next run notices the change and asks again.",
        FailureCode::TooLarge => "Raise read.max_file_mb, or split the file.",
        FailureCode::Undecodable => {
            "Export, download or send it again: it is damaged, or its name ending is wrong. The next run notices the change."
        }
        FailureCode::Encrypted => "Save a copy without a password. The next run notices the change.",
        FailureCode::NoText => "The pages are pictures. Switch on images of pages, or run OCR over the file first.",
        FailureCode::PrepareLimit => "Raise prepare.document_s or prepare.document_mb, or simplify the file.",
        FailureCode::PrepareTimeout => "The machine was busy, or the file hangs. Ask again.",
        FailureCode::TooManyPixels => "Raise prepare.image.max_pixels_mp, or scale the picture down.",
        FailureCode::UnsupportedKind => "docmill cannot read this kind of file; the message says why. Convert the file, or exclude it.",
        FailureCode::Unrenderable => "Add the missing column to the table, or change the prompt.",
        FailureCode::Refused => "Read the model's words below. Another model or a plainer prompt may answer.",
        FailureCode::Filtered => "A content filter objects. Check the document, or ask another provider.",
        FailureCode::Truncated => "Raise max_output_tokens of the task, or ask for shorter answers.",
        FailureCode::NoAnswer => "Raise max_output_tokens of the task, or lower its reasoning effort.",
        FailureCode::InvalidAnswer => "Simplify the answer's fields, describe them better, or use a stronger model.",
        FailureCode::TooLong => {
            "For vectors, lower chunk_tokens in [task.embed]. Otherwise let the job split long documents ([long] in the job file), or use \
                a model with more context."
        }
        FailureCode::PromptCut => {
            "The server reads less than it should. Raise its context size. Or for vectors, lower chunk_tokens in [task.embed], and \
                otherwise split long documents."
        }
        FailureCode::Rejected => "Read the provider's words below. They name the field or the content that it rejects.",
        FailureCode::RateLimited | FailureCode::Overloaded => "Ask again later, or with a lower llm.concurrency.",
        FailureCode::ServerError | FailureCode::BadReply | FailureCode::LostReply => "The provider had trouble. Ask again.",
        FailureCode::TimedOut => "Ask again, or raise llm.timeout_s.",
        FailureCode::Unreachable => "Check the network and llm.base_url. Then ask again.",
        FailureCode::InDoubt => "Ask again, without --in-doubt skip.",
        FailureCode::Cancelled => "The document was cancelled. Ask again if you need it.",
        FailureCode::Internal => "This is a fault of docmill. Report the message, and ask again.",
    }
}

/// What a client of a server can do about documents with a failure code. Clients send documents with each
/// submission, so a later run of the same submission cannot notice changes.
pub fn advice_of(command: &str, code: FailureCode) -> &'static str {
    if !is_of_server(command) {
        return advice(code);
    }
    match code {
        FailureCode::Empty => "Submit the document with content, or leave it out.",
        FailureCode::Undecodable => "Export or download it again, and submit it: it is damaged, or its name ending is wrong.",
        FailureCode::Encrypted => "Submit a copy without a password.",
        FailureCode::UnsupportedKind => "docmill cannot read this kind of file; the message says why. Convert the file, or leave it out.",
        FailureCode::InDoubt => "Ask again.",
        other => advice(other),
    }
}

/// The command that asks again about documents with a failure code. A run retries transient
/// failures anyway. `None` if asking again cannot help, or if the command is not known.
///
/// A run also asks again about documents and settings that have changed.
pub fn repeat(command: &str, code: FailureCode) -> Option<String> {
    let kept = command.split(' ').filter(|word| !word.starts_with("--retry-failed"));
    let kept = kept.collect::<Vec<_>>().join(" ");
    match code {
        code if kept.is_empty() || is_of_server(command) || !code.may_pass() => None,
        code if code.is_transient() => Some(kept),
        code => Some(format!("{kept} --retry-failed={code}")),
    }
}

/// Whether a run belongs to a server. Its command starts the server, and does not continue the run.
pub fn is_of_server(command: &str) -> bool {
    subcommand(command).as_deref() == Some("serve")
}

/// Why a run stopped, in the words of the API instead of those of the command line.
pub fn for_clients(message: &str) -> String {
    match (message.split_once(" To continue, "), larger_cap(message)) {
        (Some((why, _)), Some(cap)) => format!("{why} To continue, resume the run with a larger cap, such as {{\"max_usd\": {cap}}}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_server_goes_on_by_its_api() {
        let command = "docmill serve --config a.toml";
        assert!(is_of_server(command) && is_of_server(&format!("DOCMILL_LLM__MODEL=m {command}")));
        assert!(!is_of_server("docmill run serve") && !is_of_server(""));
        assert_eq!(repeat(command, FailureCode::RateLimited), None);
        let reached = "the cap is reached. To continue, run the same command with a larger cap, such as --max-usd 2.4 (the rest costs $1)";
        assert_eq!(for_clients(reached), "the cap is reached. To continue, resume the run with a larger cap, such as {\"max_usd\": 2.4}");
        assert_eq!(for_clients("interrupted"), "interrupted");
        assert!(
            advice_of(command, FailureCode::Empty).starts_with("Submit")
                && advice_of("docmill run", FailureCode::Empty).contains("next run")
        );
    }

    #[test]
    fn each_code_has_advice_and_permanent_failures_are_named_in_the_command() {
        assert!(FailureCode::ALL.iter().all(|code| advice(*code).ends_with(['.', ':'])));
        assert!([FailureCode::TooLong, FailureCode::PromptCut].iter().all(|code| advice(*code).contains("chunk_tokens in [task.embed]")));
        let command = "docmill run docs --retry-failed=empty --output out";
        assert_eq!(repeat(command, FailureCode::RateLimited).as_deref(), Some("docmill run docs --output out"));
        assert_eq!(repeat(command, FailureCode::Refused).as_deref(), Some("docmill run docs --output out --retry-failed=refused"));
        // A setting, the job or the document must change first.
        for code in [FailureCode::TooManyPixels, FailureCode::PrepareLimit, FailureCode::TooLong, FailureCode::Empty] {
            assert_eq!(repeat(command, code), None);
        }
        assert_eq!(repeat("", FailureCode::Refused), None);
    }
}
