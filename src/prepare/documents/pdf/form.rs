//! Reads form fields whose values are not drawn on the page.
//!
//! Programs that fill in forms leave the display of values to the viewer. Hidden fields and
//! passwords are omitted.

use super::annotations::{is_unseen, place};
use super::strings::words;
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Array, Dict, Name, Object, Stream};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::Rect;

/// Maximum nesting of fields, because their references may be cyclic.
const DEPTH: usize = 16;
/// Flag of fields for passwords.
///
/// `RADIO`, `PUSH_BUTTON` and `COMBO` are also field flags.
const PASSWORD: i32 = 1 << 13;
const RADIO: i32 = 1 << 15;
const PUSH_BUTTON: i32 = 1 << 16;
const COMBO: i32 = 1 << 17;

/// Whether the document is a dynamic form (XFA).
///
/// Only Adobe's programs can show such a form. Its page asks the reader to wait.
pub(super) fn is_dynamic(pdf: &Pdf) -> bool {
    let root = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
    let form = root.get::<Dict<'_>>(b"AcroForm").unwrap_or_default();
    root.get::<bool>(b"NeedsRendering") == Some(true) && form.contains_key(b"XFA")
}

/// Returns `name: value` of fields missing in the page's text.
pub(super) fn unseen(page: &Page<'_>, text: &str) -> Vec<String> {
    let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots") else { return Vec::new() };
    let text = compact(text);
    let mut values = Vec::new();
    for widget in annotations.iter::<Dict<'_>>().filter(|annotation| is(annotation, b"Subtype", "Widget")) {
        let seen = |value: &str| writes(&widget) && !is_list(&widget) && text.contains(&compact(value));
        if let Some(value) = value(&widget).filter(|value| !value.trim().is_empty() && !seen(value)) {
            let line = format!("{}: {}", name(&widget), value.trim());
            // A field may be shown in several places.
            if !values.contains(&line) {
                values.push(line);
            }
        }
    }
    values
}

/// Whether the field shows all its choices.
fn is_list(widget: &Dict<'_>) -> bool {
    inherited(widget, b"FT").and_then(Object::into_name).is_some_and(|kind| kind.as_str() == "Ch") && flags(widget) & COMBO == 0
}

/// Whether the field is for a password.
pub(super) fn is_password(widget: &Dict<'_>) -> bool {
    inherited(widget, b"FT").and_then(Object::into_name).is_some_and(|kind| kind.as_str() == "Tx") && flags(widget) & PASSWORD != 0
}

/// The state of a box; `None` for push buttons and other fields.
pub(super) fn state(widget: &Dict<'_>) -> Option<String> {
    let is_button = inherited(widget, b"FT")?.into_name()?.as_str() == "Btn";
    if !is_button || flags(widget) & PUSH_BUTTON != 0 {
        return None;
    }
    if let Some(state) = widget.get::<Name<'_>>(b"AS") {
        return Some(state.as_str().to_owned());
    }
    // The value of a group is the state of one of its boxes.
    let value = inherited(widget, b"V")?.into_name()?;
    let drawings = widget.get::<Dict<'_>>(b"AP").and_then(|drawings| drawings.get::<Object<'_>>(b"N"));
    let is_off = matches!(drawings, Some(Object::Dict(states)) if !states.contains_key(&*value));
    Some(if is_off { "Off" } else { value.as_str() }.to_owned())
}

fn value(widget: &Dict<'_>) -> Option<String> {
    if is_unseen(widget) {
        return None;
    }
    let kind = inherited(widget, b"FT")?.into_name()?;
    match kind.as_str() {
        "Tx" if flags(widget) & PASSWORD == 0 => words(&inherited(widget, b"V")?),
        "Ch" => {
            let shown = |object: Object<'_>| words(&object).map(|chosen| option(widget, &chosen).unwrap_or(chosen));
            match inherited(widget, b"V")? {
                Object::Array(chosen) => Some(chosen.iter::<Object<'_>>().filter_map(shown).collect::<Vec<_>>().join(", ")),
                chosen => shown(chosen),
            }
        }
        "Btn" => {
            let state = state(widget).filter(|state| state != "Off")?;
            Some(if flags(widget) & RADIO != 0 { export(widget, &state).unwrap_or(state) } else { "checked".to_owned() })
        }
        _ => None,
    }
}

/// The field's name for people, or else for programs.
fn name(widget: &Dict<'_>) -> String {
    let name = [&b"TU"[..], b"T"].into_iter().find_map(|key| words(&inherited(widget, key)?));
    name.unwrap_or_else(|| "field".to_owned())
}

/// The display name of a choice, if it has two names.
fn option(widget: &Dict<'_>, chosen: &str) -> Option<String> {
    let options = inherited(widget, b"Opt")?.into_array()?;
    options.iter::<Object<'_>>().find_map(|option| {
        let mut names = option.into_array()?.iter::<Object<'_>>().filter_map(|name| words(&name)).collect::<Vec<_>>().into_iter();
        (names.next()? == chosen).then(|| names.next())?
    })
}

/// The value of a button whose state is a number in the list of values.
fn export(widget: &Dict<'_>, state: &str) -> Option<String> {
    let options = inherited(widget, b"Opt")?.into_array()?;
    words(&options.iter::<Object<'_>>().nth(state.parse().ok()?)?)
}

/// The values that programs must draw themselves, because what is drawn may be old: places of fields on
/// the page, each with its value on one line.
pub(super) fn undrawn(page: &Page<'_>) -> Vec<(Rect, String)> {
    let root = page.xref().get::<Dict<'_>>(page.xref().root_id()).unwrap_or_default();
    let form = root.get::<Dict<'_>>(b"AcroForm").unwrap_or_default();
    let (Some(true), Some(annotations)) = (form.get::<bool>(b"NeedAppearances"), page.raw().get::<Array<'_>>(b"Annots")) else {
        return Vec::new();
    };
    let is_text = |widget: &Dict<'_>| {
        inherited(widget, b"FT").and_then(Object::into_name).is_some_and(|kind| matches!(kind.as_str(), "Tx" | "Ch")) && !is_list(widget)
    };
    let widgets = annotations.iter::<Dict<'_>>().filter(|widget| is(widget, b"Subtype", "Widget") && is_text(widget) && writes(widget));
    let placed = widgets.filter_map(|widget| Some((place(page, &widget)?, value(&widget).unwrap_or_default())));
    placed.filter(|(_, value)| !value.contains('\n')).collect()
}

/// Whether the field draws text on the page.
fn writes(widget: &Dict<'_>) -> bool {
    let drawing = widget.get::<Dict<'_>>(b"AP").and_then(|drawings| drawings.get::<Stream<'_>>(b"N"));
    drawing
        .and_then(|drawing| drawing.decoded_data().ok().map(|data| data.windows(2).any(|two| matches!(two, b"Tj" | b"TJ"))))
        .unwrap_or(false)
}

pub(super) fn is(dictionary: &Dict<'_>, key: &[u8], name: &str) -> bool {
    dictionary.get::<Name<'_>>(key).is_some_and(|found| found.as_str() == name)
}

fn flags(field: &Dict<'_>) -> i32 {
    inherited(field, b"Ff").and_then(Object::into_i32).unwrap_or(0)
}

/// Reads an entry of a field, or else of its parents.
fn inherited<'a>(field: &Dict<'a>, key: &[u8]) -> Option<Object<'a>> {
    let mut field = field.clone();
    for _ in 0..DEPTH {
        if let Some(found) = field.get(key) {
            return Some(found);
        }
        field = field.get(b"Parent")?;
    }
    None
}

pub(super) fn compact(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}
