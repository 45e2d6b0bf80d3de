//! One small change of the code, as cargo-mutants lists it.

use std::ops::Range;

use serde::Deserialize;

/// A change, and the function it is in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Change {
    /// Its file, line, column, and what it does.
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) file: String,
    replacement: String,
    span: Span,
    function: Option<Function>,
}

#[derive(Clone, Debug, Deserialize)]
struct Function {
    #[serde(rename = "function_name")]
    name: String,
    return_type: String,
    span: Span,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Both count from 1, and columns are characters.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Change {
    /// The type and the name of its function.
    pub(crate) fn function(&self) -> &str {
        self.function.as_ref().map_or("", |f| &f.name)
    }

    /// Where its function is in the text of its file, if the change can be one of several in a body. What is
    /// returned as an `impl Trait` is of one type, so there the bodies of two changes do not go together.
    pub(crate) fn body(&self, text: &str) -> Option<Range<usize>> {
        let function = self.function.as_ref()?;
        if function.return_type.contains("impl ") {
            return None;
        }
        function.span.range(text)
    }

    /// The bytes of the file that it replaces, and by what.
    pub(crate) fn edit(&self, text: &str) -> Option<(Range<usize>, &str)> {
        Some((self.span.range(text)?, &self.replacement))
    }
}

impl Span {
    fn range(self, text: &str) -> Option<Range<usize>> {
        Some(self.start.offset(text)?..self.end.offset(text)?)
    }
}

impl Place {
    fn offset(self, text: &str) -> Option<usize> {
        let mut lines = text.split_inclusive('\n');
        let before: usize = lines.by_ref().take(self.line - 1).map(str::len).sum();
        let line = lines.next()?;
        let mut columns = line.char_indices().map(|(at, _)| at);
        let column = columns.nth(self.column - 1).unwrap_or(line.len());
        Some(before + column)
    }
}
