//! The catalogue as pages for people, generated into docs/checks.

use std::fmt::Write as _;

use crate::registry::{CheckDef, Spec, all};

/// Path below `docs/checks/` and text of every page; the first is the index.
pub fn docs_markdown() -> Vec<(String, String)> {
    let mut pages = vec![("index.md".to_owned(), index())];
    pages.extend(all().iter().map(|check| (format!("{}.md", check.id), page(check))));
    pages
}

fn index() -> String {
    let mut text = String::from(
        "# Checks\n\nWhat ottwatch looks at. Holds and clears are explained at the end.\n\n\
         | check | what it says | severity | hold | clear |\n|---|---|---|---|---|\n",
    );
    for check in all() {
        let CheckDef { id, title, severity, hold, clear, .. } = check;
        let _ = writeln!(text, "| [`{id}`]({id}.md) | {title} | {severity} | {hold} | {clear} |");
    }
    text.push_str(
        "\n`H3`: three failing evaluations in a row raise. `H3/5`: three of the last five. `H30s`: failing for 30 s.\n\
         `EV`: every failure is an event that closes by itself. `a -> b`: one alarm that changes severity.\n\
         `C2`: two passing evaluations in a row clear. An evaluation that could not tell counts for neither.\n",
    );
    text
}

fn page(check: &CheckDef) -> String {
    let mut text = format!("# {}\n\n`{}`, since {}\n\n", check.title, check.id, check.since);
    for line in check.doc {
        if let Some((name, rest)) = line.trim().split_once(':') {
            let _ = writeln!(text, "- **{name}:** {}", rest.trim());
        }
    }
    let CheckDef { severity, hold, clear, .. } = check;
    let _ = writeln!(text, "\n| severity | hold | clear |\n|---|---|---|\n| {severity} | {hold} | {clear} |");
    if !check.params.is_empty() {
        text.push_str("\n| parameter | default | unit |\n|---|---|---|\n");
        for param in check.params {
            let _ = writeln!(text, "| `{}` | {} | {} |", param.name, param.default, param.unit);
        }
    }
    let specs: Vec<String> = check.spec.iter().map(spec).collect();
    let _ = writeln!(text, "\nRests on: {}.", specs.join("; "));
    text
}

fn spec(spec: &Spec) -> String {
    if spec.clause.is_empty() { spec.text.to_owned() } else { format!("{} {}", spec.text, spec.clause) }
}
