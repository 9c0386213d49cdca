//! What people can do about a failure, and the command that asks again.

use crate::model::FailureCode;

/// What to do about documents with a failure code.
pub fn advice(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Unreadable => "Check the file's permissions and its disk. Then ask again.",
        FailureCode::Vanished => "The file moved or was deleted during the run. Ask again.",
        FailureCode::Empty => "Give the document content, or exclude it. The next run notices the change and asks again.",
        FailureCode::TooLarge => "Raise read.max_file_mb, or split the file.",
        FailureCode::Undecodable => {
            "Export or download the file again: it is damaged, or its name ending is wrong. The next run notices the change."
        }
        FailureCode::Encrypted => "Save a copy without a password. The next run notices the change.",
        FailureCode::NoText => "The pages are pictures. Switch on images of pages, or run OCR over the file first.",
        FailureCode::PrepareLimit => "Raise prepare.document_s or prepare.document_mb, or simplify the file.",
        FailureCode::PrepareTimeout => "The machine was busy, or the file hangs. Ask again.",
        FailureCode::TooManyPixels => "Raise prepare.image.max_pixels_mp, or scale the picture down.",
        FailureCode::UnsupportedKind => "No job of this run takes this kind of file. Use another job, or exclude the files.",
        FailureCode::Unrenderable => "Add the missing column to the table, or change the prompt.",
        FailureCode::Refused => "Read the model's words below. Another model or a plainer prompt may answer.",
        FailureCode::Filtered => "A content filter objects. Check the document, or ask another provider.",
        FailureCode::Truncated => "Raise max_output_tokens of the task, or ask for shorter answers.",
        FailureCode::NoAnswer => "Raise max_output_tokens of the task, or lower its reasoning effort.",
        FailureCode::InvalidAnswer => "Simplify the answer's fields, describe them better, or use a stronger model.",
        FailureCode::TooLong => "Let the job split long documents ([long] in the job file), or use a model with more context.",
        FailureCode::PromptCut => "The server reads less than it should. Raise its context size, or split long documents.",
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

/// The command that asks again about documents with a failure code. A run retries transient
/// failures anyway. `None` if asking again cannot help, or if the command is not known.
///
/// A run also asks again about documents and settings that have changed.
pub fn repeat(command: &str, code: FailureCode) -> Option<String> {
    let kept = command.split(' ').filter(|word| !word.starts_with("--retry-failed"));
    let kept = kept.collect::<Vec<_>>().join(" ");
    match code {
        code if kept.is_empty() || !code.may_pass() => None,
        code if code.is_transient() => Some(kept),
        code => Some(format!("{kept} --retry-failed={code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_advice_and_permanent_failures_are_named_in_the_command() {
        assert!(FailureCode::ALL.iter().all(|code| advice(*code).ends_with(['.', ':'])));
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
