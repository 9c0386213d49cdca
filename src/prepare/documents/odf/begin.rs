//! Begins the elements of an OpenDocument file.

use super::super::markdown::Markdown;
use super::super::odf_looks::Form;
use super::super::odf_objects::{self, Object};
use super::super::xml::{attribute, number};
use super::File;
use quick_xml::events::BytesStart;

impl File {
    pub(super) fn open(&mut self, tag: &BytesStart) {
        let name = tag.name();
        let name: &str = name.as_ref();
        if self.skipping.is_some() {
            return self.open_skipped(name, tag);
        }
        if self.slides > 0 && name.starts_with("draw:") {
            self.lists.begin_shape();
        }
        match name {
            // These are deleted text, generated text such as note marks, and facts about comments.
            "text:tracked-changes"
            | "text:note-citation"
            | "text:page-number"
            | "office:forms"
            | "office:binary-data"
            | "dc:date"
            | "meta:date-string"
            | "meta:creator-initials"
            | "loext:sender-initials" => {
                self.skipping = Some((name.to_owned(), 1));
            }
            "text:change-start" => {
                self.in_deleted.extend(attribute(tag, "text:change-id").filter(|change| self.deleted.contains(change)));
            }
            "text:change-end" => {
                let change = attribute(tag, "text:change-id").unwrap_or_default();
                self.in_deleted.remove(&change);
            }
            "text:hidden-text" | "text:hidden-paragraph" if attribute(tag, "text:is-hidden").as_deref() == Some("true") => {
                self.hidden = true;
                self.skipping = Some((name.to_owned(), 1));
            }
            "text:section" if attribute(tag, "text:display").as_deref() == Some("none") => {
                self.hidden = true;
                self.skipping = Some((name.to_owned(), 1));
            }
            "field:fieldmark" => self.form = Form { kind: attribute(tag, "field:type").unwrap_or_default(), ..Form::default() },
            "field:param" => {
                let [name, value] = ["field:name", "field:value"].map(|name| attribute(tag, name).unwrap_or_default());
                self.form.read(&name, value);
            }
            "draw:page" => {
                if self.slides > 0 {
                    self.turn_page();
                }
                self.slides += 1;
                let is_unseen = attribute(tag, "draw:style-name").is_some_and(|style| self.unseen.contains(&style));
                self.unseen_slides.extend(is_unseen.then_some(self.slides));
                (self.title, self.lead) = (false, "");
            }
            "draw:object" => match attribute(tag, "xlink:href") {
                // Each frame has another object.
                Some(name) => {
                    let text = self.objects.remove(odf_objects::name(&name));
                    self.write_object(&text.unwrap_or_default());
                }
                None => self.object = Some(Object::new()),
            },
            "draw:object-ole" => self.is_unread = !self.in_object,
            // A printed notes page also shows the slide and its number.
            "draw:frame" => match attribute(tag, "presentation:class").as_deref() {
                Some("title") => self.title = true,
                Some("notes") => self.lead = "Notes: ",
                _ => {}
            },
            _ => self.open_text(name, tag),
        }
    }

    /// Opens an element of the text itself.
    fn open_text(&mut self, name: &str, tag: &BytesStart) {
        match name {
            "text:h" => {
                self.paragraphs += 1;
                self.spans.push(self.look(attribute(tag, "text:style-name").as_deref()));
                let level = number(tag, "text:outline-level").unwrap_or(1);
                let item = self.lists.begin(tag).filter(|number| number != "-");
                let number = item.or_else(|| self.lists.heading(tag, level)).filter(|number| !number.is_empty());
                self.write(|body| {
                    body.heading(level);
                    body.text(&number.map(|number| number + " ").unwrap_or_default());
                });
            }
            "text:p" => {
                self.paragraphs += 1;
                self.spans.push(self.look(attribute(tag, "text:style-name").as_deref()));
                let title = std::mem::take(&mut self.title);
                let number = self.lists.begin(tag);
                self.write(|body| {
                    if title {
                        body.heading(1);
                    } else {
                        body.paragraph();
                    }
                    if let Some(number) = number {
                        body.number(&number);
                    }
                });
            }
            "text:span" => {
                let outer = self.spans.last().copied().unwrap_or_default();
                self.spans.push(self.look(attribute(tag, "text:style-name").as_deref()).inside(outer));
            }
            "text:s" | "text:tab" => self.write(|body| body.text(" ")),
            "text:line-break" => self.write(Markdown::line),
            "text:list" => {
                self.lists.open_list(tag);
                self.write(|body| body.open_list(None));
            }
            "text:list-item" | "text:list-header" => {
                self.lists.item(tag, name == "text:list-header");
                self.write(Markdown::item);
            }
            "text:ruby-text" => {
                self.paragraphs += 1;
                self.write(|body| body.verbatim("("));
            }
            "text:note" => self.bodies.push(Markdown::new()),
            "office:annotation" => {
                self.bodies.push(Markdown::new());
                self.comments.open(tag);
            }
            "office:annotation-end" => {
                if let Some(comment) = self.comments.end(tag) {
                    self.comment(&comment);
                }
            }
            "dc:creator" => self.paragraphs += 1,
            "draw:image" => {
                self.pictures += usize::from(!self.in_object);
                self.is_unread = false;
            }
            "svg:title" | "svg:desc" => {
                self.paragraphs += 1;
                self.write(|body| body.text(" [image: "));
            }
            "table:table" => self.write(Markdown::open_table),
            "table:table-row" => {
                self.repeated.push(number(tag, "table:number-rows-repeated").unwrap_or(1));
                self.write(Markdown::row);
            }
            "table:table-cell" | "table:covered-table-cell" => {
                self.repeated.push(number(tag, "table:number-columns-repeated").unwrap_or(1));
                self.write(|body| body.cell(1, 1));
            }
            _ => {}
        }
    }

    /// Opens an element in text that is left out.
    fn open_skipped(&mut self, name: &str, tag: &BytesStart) {
        if let Some((skipped, times)) = &mut self.skipping {
            *times += usize::from(skipped == name);
        }
        self.deletions |= name == "text:deletion";
        match name {
            "text:changed-region" => self.change = attribute(tag, "text:id").or_else(|| attribute(tag, "xml:id")).unwrap_or_default(),
            "text:deletion" => drop(self.deleted.insert(self.change.clone())),
            _ => {}
        }
    }
}
