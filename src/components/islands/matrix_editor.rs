//! The matrix comes alive: keys of the ARIA grid pattern, edits that stay pending until they
//! are reviewed, and the dialog in which they are.
//!
//! The tables are the server's HTML. One listener for each kind of event sits around them, and a
//! sparse map holds what is pending; nothing else is kept in the browser. A commit ends in
//! a fresh page, so that what is shown is what is stored.

use std::mem;

use leptos::{ev, html, prelude::*};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement, HtmlInputElement};

use crate::{
    calls::{CallError, commit_matrix, preview_matrix},
    components::islands::ready_after,
    domain::{
        lang::Lang,
        limit::{Cell, Limit, LimitKind},
        matrix::CellChange,
    },
    words,
};

/// A cell's place: tier and feature.
type Place = (String, String);

/// What someone wants in a cell, not saved yet.
#[derive(Debug, Clone, PartialEq)]
struct Edit {
    cell: Cell,
    version: i64,
}

/// What is pending, sorted by place. Few cells are changed at once, and a tree is six kilobytes of wasm.
#[derive(Debug, Default)]
struct Edits(Vec<(Place, Edit)>);

impl Edits {
    fn find(&self, place: &Place) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(place))
    }

    fn at(&self, place: &Place) -> Option<&Edit> {
        let index = self.find(place).ok()?;
        Some(&self.0[index].1)
    }

    /// Sets or drops an edit. Returns the one before.
    fn put(&mut self, place: Place, edit: Option<Edit>) -> Option<Edit> {
        match (self.find(&place), edit) {
            (Ok(index), Some(edit)) => Some(mem::replace(&mut self.0[index].1, edit)),
            (Ok(index), None) => Some(self.0.remove(index).1),
            (Err(index), Some(edit)) => {
                self.0.insert(index, (place, edit));
                None
            }
            (Err(_), None) => None,
        }
    }
}

/// Everything that moves.
#[derive(Clone, Copy)]
struct Editor {
    lang: Lang,
    edits: RwSignal<Edits>,
    /// What each edit replaced, for Ctrl+Z.
    history: StoredValue<Vec<(Place, Option<Edit>)>>,
    problem: RwSignal<Option<String>>,
    leaving: StoredValue<bool>,
    root: NodeRef<html::Div>,
    dialog: NodeRef<html::Dialog>,
}

/// How far PageUp and PageDown move, in rows.
const PAGE: i32 = 5;

/// Wraps the tables of the matrix.
#[island]
pub fn MatrixEditor(
    /// The reader's language.
    lang: Lang,
    /// The tables, as the server wrote them.
    children: Children,
) -> impl IntoView {
    let editor = Editor {
        lang,
        edits: RwSignal::new(Edits::default()),
        history: StoredValue::new(Vec::new()),
        problem: RwSignal::new(None),
        leaving: StoredValue::new(false),
        root: NodeRef::new(),
        dialog: NodeRef::new(),
    };
    let ready = ready_after(Box::new(move || editor.warn_before_leaving()));
    let has_edits = move || !editor.edits.read().0.is_empty();
    view! {
        <div
            class="matrix-editor" node_ref=editor.root
            data-ready=ready
            on:keydown=move |event| editor.key(&event)
            on:click=move |event| editor.click(&event)
            on:dblclick=move |event| editor.double_click(&event)
            on:focusin=move |event| editor.focus_in(&event)
            on:focusout=move |event| editor.focus_out(&event)
        >
            {children()}
            <div class="tray">
                <p class="err status" role="alert">{move || editor.problem.get()}</p>
                <div class="review" role="region" aria-label=words::review_title(lang) hidden=move || !has_edits()>
                    <b aria-live="polite">{move || words::changes(lang, editor.edits.read().0.len())}</b>
                    <button type="button" class="btn" on:click=move |_| editor.discard()>{words::discard(lang)}</button>
                    <button type="button" class="btn main" on:click=move |_| editor.ask()>{words::review_action(lang)}</button>
                </div>
            </div>
            <dialog
                node_ref=editor.dialog class="sheet" aria-labelledby="review-title"
                on:submit=move |event| editor.submit(&event)
            ></dialog>
        </div>
    }
}

impl Editor {
    // The dialog: a form that the server wrote, the same as on the page without script.

    fn show(self, html: &str) {
        let Some(dialog) = self.dialog.get_untracked() else { return };
        self.problem.set(None);
        dialog.set_inner_html(html);
        if !dialog.open() {
            let _ = dialog.show_modal();
        }
    }

    fn close(self) {
        if let Some(dialog) = self.dialog.get_untracked() {
            dialog.close();
        }
    }

    // What is asked of the server.

    fn changes(self) -> Vec<CellChange> {
        self.edits
            .read_untracked()
            .0
            .iter()
            .filter_map(|((tier, feature), edit)| {
                Some(CellChange {
                    tier: tier.parse().ok()?,
                    feature: feature.parse().ok()?,
                    limit: edit.cell,
                    version: edit.version,
                })
            })
            .collect()
    }

    fn ask(self) {
        let changes = self.changes();
        leptos::task::spawn_local(async move {
            match preview_matrix(changes).await {
                Ok(html) => self.show(&html),
                Err(error) => self.refused(error),
            }
        });
    }

    fn submit(self, event: &ev::SubmitEvent) {
        let form = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let Some(step) = form.and_then(|form| form.get_attribute("data-step")) else { return };
        event.prevent_default();
        match step.as_str() {
            "save" => self.save(),
            _ => self.settle(),
        }
    }

    fn save(self) {
        let reason = self
            .dialog
            .get_untracked()
            .and_then(|dialog| dialog.query_selector("#reason").ok().flatten())
            .and_then(|field| field.dyn_into::<HtmlInputElement>().ok())
            .map(|field| field.value())
            .unwrap_or_default();
        let changes = self.changes();
        leptos::task::spawn_local(async move {
            match commit_matrix(changes, reason).await {
                Ok(change) => {
                    self.leaving.set_value(true);
                    let _ = window().location().assign(&format!("/admin/matrix?saved={change}"));
                }
                Err(error) => self.refused(error),
            }
        });
    }

    fn refused(self, error: CallError) {
        let problem = match error {
            CallError::Dialog { html } => return self.show(&html),
            CallError::Said { message } => message,
            CallError::NotAllowed => words::signed_out_meanwhile(self.lang).to_owned(),
            CallError::Unavailable => words::network_failed(self.lang).to_owned(),
        };
        // Behind an open dialog nobody would read it.
        self.close();
        self.problem.set(Some(problem));
    }

    /// Takes over what was chosen for each conflict, then asks again with what is left.
    fn settle(self) {
        let Some(dialog) = self.dialog.get_untracked() else { return };
        for conflict in all(&dialog, "li[data-tier]") {
            let read = |name: &str| conflict.get_attribute(name).unwrap_or_default();
            let place = (read("data-tier"), read("data-feature"));
            let Some(slot) = self.slot_at(&place) else { continue };
            let (Ok(theirs), Ok(yours), Ok(version)) = (
                Cell::parse(&read("data-theirs"), slot.kind),
                Cell::parse(&read("data-yours"), slot.kind),
                read("data-version").parse(),
            ) else {
                continue;
            };
            slot.store(self.lang, theirs, version);
            let is_mine = conflict.query_selector("input[value='mine']:checked").is_ok_and(|found| found.is_some());
            self.put(place, (is_mine && yours != theirs).then_some(Edit { cell: yours, version }));
        }
        if self.edits.read_untracked().0.is_empty() {
            self.close();
        } else {
            self.ask();
        }
    }

    // What is pending.

    /// Sets or drops an edit, and paints its cell.
    fn put(self, place: Place, edit: Option<Edit>) -> Option<Edit> {
        let before = self.edits.try_update(|edits| edits.put(place.clone(), edit.clone()));
        if let Some(slot) = self.slot_at(&place) {
            slot.paint(self.lang, edit.as_ref().map(|edit| edit.cell));
        }
        before.flatten()
    }

    /// Lets a cell be changed to what was typed. Returns what is wrong with it.
    fn enter(self, slot: &Slot, text: &str) -> Result<(), String> {
        let cell = Cell::parse(text, slot.kind).map_err(|error| words::cell_error(self.lang, error).to_owned())?;
        let edit = (cell != slot.cell).then_some(Edit { cell, version: slot.version });
        let before = self.put(slot.place.clone(), edit.clone());
        if before != edit {
            self.history.update_value(|history| history.push((slot.place.clone(), before)));
        }
        self.problem.set(None);
        Ok(())
    }

    fn take_back(self) {
        let last = self.history.try_update_value(Vec::pop).flatten();
        if let Some((place, edit)) = last {
            self.put(place.clone(), edit);
            if let Some(slot) = self.slot_at(&place) {
                slot.focus();
            }
        }
    }

    fn discard(self) {
        let places: Vec<Place> = self.edits.read_untracked().0.iter().map(|(place, _)| place.clone()).collect();
        for place in places {
            self.put(place, None);
        }
        self.history.set_value(Vec::new());
        self.problem.set(None);
    }

    fn warn_before_leaving(self) {
        let handle = window_event_listener(ev::beforeunload, move |event| {
            if !self.leaving.get_value() && !self.edits.read_untracked().0.is_empty() {
                event.prevent_default();
            }
        });
        on_cleanup(move || handle.remove());
    }

    // Events.

    fn click(self, event: &ev::MouseEvent) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        if target.closest("[data-step='close']").is_ok_and(|found| found.is_some()) {
            event.prevent_default();
            self.close();
        }
        let picked = target.closest("a[data-pick]").ok().flatten().and_then(|link| link.get_attribute("data-pick"));
        if let Some(tier) = picked {
            event.prevent_default();
            self.pick_tier(&tier);
        }
    }

    /// Shows one tier where the page is too narrow for all.
    fn pick_tier(self, tier: &str) {
        let Some(root) = self.root.get_untracked() else { return };
        for element in all(&root, "[data-tier], [data-pick]") {
            let is_it = element.get_attribute("data-tier").or_else(|| element.get_attribute("data-pick"));
            let is_it = is_it.as_deref() == Some(tier);
            if element.has_attribute("data-pick") {
                let _ = if is_it {
                    element.set_attribute("aria-current", "true")
                } else {
                    element.remove_attribute("aria-current")
                };
            } else {
                let _ = element.class_list().toggle_with_force("chosen", is_it);
            }
        }
    }

    fn double_click(self, event: &ev::MouseEvent) {
        if let Some(slot) = Slot::around(event.target()) {
            self.begin(&slot, None);
        }
    }

    fn focus_in(self, event: &ev::FocusEvent) {
        // One tab stop a grid: the cell that was last in it.
        let Some(slot) = Slot::around(event.target()) else { return };
        let Ok(Some(grid)) = slot.element.closest("table") else { return };
        for cell in all(&grid, "td[tabindex='0']") {
            let _ = cell.set_attribute("tabindex", "-1");
        }
        let _ = slot.element.set_attribute("tabindex", "0");
    }

    fn focus_out(self, event: &ev::FocusEvent) {
        let Some(field) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) else { return };
        let Some(slot) = Slot::around(Some(field.clone().into())) else { return };
        if !field.is_connected() || slot.element.get_attribute("data-editing").is_none() {
            return;
        }
        if let Err(problem) = self.finish(&slot, &field) {
            self.abandon(&slot);
            self.problem.set(Some(problem));
        }
    }

    fn key(self, event: &ev::KeyboardEvent) {
        let Some(slot) = Slot::around(event.target()) else { return };
        let field = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        match field {
            Some(field) => self.key_in_field(event, &slot, &field),
            None => self.key_in_grid(event, &slot),
        }
    }

    fn key_in_field(self, event: &ev::KeyboardEvent, slot: &Slot, field: &HtmlInputElement) {
        match event.key().as_str() {
            "Enter" => {
                event.prevent_default();
                match self.finish(slot, field) {
                    Ok(()) => slot.neighbour(1, 0).unwrap_or_else(|| slot.clone()).focus(),
                    Err(problem) => {
                        let _ = field.set_attribute("aria-invalid", "true");
                        self.problem.set(Some(problem));
                    }
                }
            }
            "Escape" => {
                event.prevent_default();
                self.abandon(slot);
                self.problem.set(None);
                slot.focus();
            }
            _ => {}
        }
    }

    fn key_in_grid(self, event: &ev::KeyboardEvent, slot: &Slot) {
        let key = event.key();
        let with_control = event.ctrl_key() || event.meta_key();
        let target = match (key.as_str(), with_control) {
            ("ArrowUp", false) => slot.neighbour(-1, 0),
            ("ArrowDown", false) => slot.neighbour(1, 0),
            ("ArrowLeft", false) => slot.neighbour(0, -1),
            ("ArrowRight", false) => slot.neighbour(0, 1),
            ("Home", false) => slot.neighbour(0, i32::MIN),
            ("End", false) => slot.neighbour(0, i32::MAX),
            ("Home", true) => slot.neighbour(i32::MIN, i32::MIN),
            ("End", true) => slot.neighbour(i32::MAX, i32::MAX),
            ("PageUp", false) => slot.neighbour(-PAGE, 0),
            ("PageDown", false) => slot.neighbour(PAGE, 0),
            ("z", true) => {
                event.prevent_default();
                self.take_back();
                return;
            }
            ("Enter" | "F2", false) => {
                event.prevent_default();
                self.begin(slot, None);
                return;
            }
            ("Delete" | "Backspace", false) => {
                event.prevent_default();
                let _ = self.enter(slot, "");
                return;
            }
            (" ", false) if slot.kind == LimitKind::Boolean => {
                event.prevent_default();
                let is_on = self.wanted(slot).or_default(slot.default) != Limit::OFF;
                let _ = self.enter(slot, if is_on { "off" } else { "on" });
                return;
            }
            (typed, false) if !event.alt_key() && typed.chars().count() == 1 && typed != " " => {
                event.prevent_default();
                self.begin(slot, Some(typed));
                return;
            }
            _ => return,
        };
        event.prevent_default();
        if let Some(target) = target {
            target.focus();
        }
    }

    // Editing one cell.

    fn wanted(self, slot: &Slot) -> Cell {
        self.edits.read_untracked().at(&slot.place).map_or(slot.cell, |edit| edit.cell)
    }

    fn begin(self, slot: &Slot, typed: Option<&str>) {
        if slot.element.get_attribute("data-editing").is_some() {
            return;
        }
        let Ok(field) = document().create_element("input") else { return };
        let Ok(field) = field.dyn_into::<HtmlInputElement>() else { return };
        let label = slot.element.get_attribute("data-label").unwrap_or_default();
        let _ = field.set_attribute("aria-label", &label);
        let _ = field.set_attribute("autocomplete", "off");
        field.set_class_name("cell-input");
        field.set_value(&typed.map_or_else(|| self.wanted(slot).to_input(slot.kind), str::to_owned));
        let _ = slot.element.set_attribute("data-editing", "true");
        slot.element.set_text_content(None);
        let _ = slot.element.append_child(&field);
        let _ = field.focus();
        if typed.is_none() {
            field.select();
        }
    }

    fn finish(self, slot: &Slot, field: &HtmlInputElement) -> Result<(), String> {
        let text = field.value();
        Cell::parse(&text, slot.kind).map_err(|error| words::cell_error(self.lang, error).to_owned())?;
        self.abandon(slot);
        self.enter(slot, &text)
    }

    /// Ends editing and shows what is pending or stored.
    fn abandon(self, slot: &Slot) {
        // Before the field goes: its going makes it lose the focus.
        let _ = slot.element.remove_attribute("data-editing");
        let edit = self.edits.read_untracked().at(&slot.place).map(|edit| edit.cell);
        slot.paint(self.lang, edit);
    }

    fn slot_at(self, (tier, feature): &Place) -> Option<Slot> {
        let root = self.root.get_untracked()?;
        let found = root.query_selector(&format!("td[data-tier='{tier}'][data-feature='{feature}']")).ok()??;
        Slot::of(found)
    }
}

/// A cell of a table, with what the server wrote into its attributes.
#[derive(Clone)]
struct Slot {
    element: HtmlElement,
    place: Place,
    kind: LimitKind,
    cell: Cell,
    default: Limit,
    version: i64,
}

impl Slot {
    fn of(element: Element) -> Option<Self> {
        let read = |name: &str| element.get_attribute(name);
        let kind = read("data-kind")?.parse().ok()?;
        let default = Cell::parse(&read("data-default")?, LimitKind::Quota).ok()?;
        Some(Self {
            place: (read("data-tier")?, read("data-feature")?),
            kind,
            cell: Cell::parse(&read("data-input")?, kind).ok()?,
            default: default.or_default(Limit::Unlimited),
            version: read("data-version")?.parse().ok()?,
            element: element.dyn_into().ok()?,
        })
    }

    fn around(target: Option<web_sys::EventTarget>) -> Option<Self> {
        let element = target?.dyn_into::<Element>().ok()?;
        Self::of(element.closest("td[data-tier]").ok()??)
    }

    /// Takes over what is stored by now.
    fn store(&self, lang: Lang, cell: Cell, version: i64) {
        let _ = self.element.set_attribute("data-input", &cell.to_input(self.kind));
        let _ = self.element.set_attribute("data-version", &version.to_string());
        Self { cell, version, ..self.clone() }.paint(lang, None);
    }

    /// Shows what is stored, or `50 → 80` for what is pending.
    fn paint(&self, lang: Lang, edit: Option<Cell>) {
        let text = |cell| words::cell(lang, cell, self.kind, self.default);
        let stored = text(self.cell);
        let shown = edit.map_or_else(|| stored.clone(), |edit| format!("{stored} → {}", text(edit)));
        self.element.set_text_content(Some(&shown));
        let classes = self.element.class_list();
        let _ = classes.toggle_with_force("dirty", edit.is_some());
        let _ = classes.toggle_with_force("inh", edit.unwrap_or(self.cell) == Cell::Inherited);
        let _ = classes.toggle_with_force("off", edit.unwrap_or(self.cell) == Cell::Own(Limit::OFF));
    }

    fn focus(&self) {
        let _ = self.element.focus();
    }

    /// Returns the cell so many rows and columns away in the same grid, or at its edge.
    fn neighbour(&self, rows: i32, columns: i32) -> Option<Self> {
        let grid = self.element.closest("table").ok()??;
        let lines: Vec<Vec<Element>> = all(&grid, "tbody tr")
            .map(|row| all(&row, "td[data-tier]").filter(is_shown).collect())
            .filter(|line: &Vec<Element>| !line.is_empty())
            .collect();
        let me: &JsValue = self.element.as_ref();
        let (row, column) = lines.iter().enumerate().find_map(|(row, line)| {
            line.iter().position(|cell| AsRef::<JsValue>::as_ref(cell) == me).map(|column| (row, column))
        })?;
        let step = |from: usize, by: i32, count: usize| {
            let to = i64::try_from(from).unwrap_or(0) + i64::from(by);
            usize::try_from(to.clamp(0, i64::try_from(count).unwrap_or(1) - 1)).unwrap_or(0)
        };
        let line = lines.get(step(row, rows, lines.len()))?;
        Self::of(line.get(step(column, columns, line.len()))?.clone())
    }
}

/// A cell of a tier that is not picked on a narrow page takes no room.
fn is_shown(element: &Element) -> bool {
    element.dyn_ref::<HtmlElement>().is_some_and(|element| element.offset_width() > 0)
}

/// Returns what a selector finds within an element.
fn all(within: &Element, selector: &str) -> impl Iterator<Item = Element> + use<> {
    let found = within.query_selector_all(selector).ok();
    let count = found.as_ref().map_or(0, web_sys::NodeList::length);
    (0..count).filter_map(move |at| found.as_ref()?.get(at)?.dyn_into::<Element>().ok())
}
