//! Two kinds of charts, drawn as plain SVG on logarithmic axes. Colours come from the page's style, by class.

use std::fmt::Write;

/// Text that may stand in HTML and SVG.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// How a number is written.
pub type Format = fn(f64) -> String;

/// A logarithmic axis on the screen.
#[derive(Clone, Copy)]
struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Over all positive values, with a little room at both ends.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        (most > 0.0).then_some(Self { least: least / 1.25, most: most * 1.25, from, to })
    }

    fn at(self, value: f64) -> f64 {
        let share = (value.max(self.least) / self.least).ln() / (self.most / self.least).ln();
        self.from + (self.to - self.from) * share.min(1.0)
    }

    /// Powers of ten, with their halves and fifths where there is room.
    fn ticks(self) -> Vec<f64> {
        let decades = (self.most / self.least).log10();
        let steps: &[f64] = if decades < 1.2 {
            &[1.0, 2.0, 3.0, 5.0, 7.0]
        } else if decades < 3.4 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let first = self.least.log10().floor() as i32;
        let last = self.most.log10().ceil() as i32;
        let all = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        all.filter(|tick| (self.least..=self.most).contains(tick)).collect()
    }
}

/// A round number, without its zeros after the point.
fn round(text: &str) -> String {
    text.replacen(".00 ", " ", 1).replacen(".0 ", " ", 1)
}

/// One line of a chart of ranges.
pub struct Range {
    /// What it is.
    pub label: String,
    /// The class that gives its colour.
    pub class: &'static str,
    /// Where the dot stands.
    pub middle: f64,
    /// The thick line.
    pub thick: (f64, f64),
    /// The thin line.
    pub thin: (f64, f64),
}

const WIDTH: f64 = 860.0;
const LABELS: f64 = 210.0;
const VALUES: f64 = 90.0;
const ROW: f64 = 20.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 26.0;

/// Ranges below each other, on one axis.
pub fn ranges(rows: &[Range], format: Format) -> String {
    let values = rows.iter().flat_map(|row| [row.middle, row.thick.0, row.thick.1, row.thin.0, row.thin.1]);
    let Some(axis) = Axis::over(values, LABELS, WIDTH - VALUES) else { return String::new() };
    let floor = TOP + ROW * rows.len() as f64;
    let mut svg = open(WIDTH, floor + BOTTOM);
    for tick in axis.ticks() {
        let x = axis.at(tick);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{floor}"/><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            floor + 16.0,
            escape(&round(&format(tick)))
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        let line = |(from, to): (f64, f64), width: f64| {
            let (x1, x2) = (axis.at(from), axis.at(to));
            format!(r#"<line x1="{x1:.1}" x2="{x2:.1}" y1="{y}" y2="{y}" stroke-width="{width}"/>"#)
        };
        let _ = write!(
            svg,
            r#"<g class="{}"><text class="label" x="{}" y="{}" text-anchor="end">{}</text>{}{}<circle cx="{:.1}" cy="{y}" r="4.5"/><text class="value" x="{}" y="{}">{}</text></g>"#,
            row.class,
            LABELS - 12.0,
            y + 4.0,
            escape(&row.label),
            line(row.thin, 1.5),
            line(row.thick, 5.0),
            axis.at(row.middle),
            WIDTH - VALUES + 10.0,
            y + 4.0,
            escape(&format(row.middle))
        );
    }
    svg + "</svg>"
}

/// A line of a chart of curves.
pub struct Curve {
    /// What it is.
    pub label: String,
    /// The class that gives its colour.
    pub class: &'static str,
    /// Which of the patterns it is drawn with, among those of its colour.
    pub dash: usize,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const DASHES: [&str; 4] = ["none", "7 3", "2 3", "9 3 2 3"];

/// Curves over a linear axis with the given marks.
pub fn curves(curves: &[Curve], marks: &[(f64, &str)], format: Format) -> String {
    let floor = HEIGHT - BOTTOM;
    let values = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    let Some(axis) = Axis::over(values, floor, TOP) else { return String::new() };
    let xs = || curves.iter().flat_map(|curve| curve.points.iter().map(|p| p.0)).chain(marks.iter().map(|mark| mark.0));
    let (least, most) = xs().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    let across = |x: f64| LEFT + (WIDTH - RIGHT - LEFT) * (x - least) / (most - least).max(f64::MIN_POSITIVE);
    let mut svg = open(WIDTH, HEIGHT);
    for tick in axis.ticks() {
        let y = axis.at(tick);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}"/><text class="tick" x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            escape(&round(&format(tick)))
        );
    }
    for (x, text) in marks {
        let x = across(*x);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{floor}"/><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            floor + 16.0,
            escape(text)
        );
    }
    let labels = apart(curves.iter().map(|curve| curve.points.last().map_or(floor, |last| axis.at(last.1))).collect());
    for (curve, label_y) in curves.iter().zip(labels) {
        let points: Vec<_> =
            curve.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), axis.at(*y))).collect();
        let (end_x, end_y) = curve.points.last().map_or((LEFT, floor), |(x, y)| (across(*x), axis.at(*y)));
        let _ = write!(
            svg,
            r#"<g class="{}"><polyline points="{}" fill="none" stroke-width="2.2" stroke-dasharray="{}"/><polyline points="{end_x:.1},{end_y:.1} {:.1},{label_y:.1}" fill="none" stroke-width="0.7"/><text class="label" x="{:.1}" y="{:.1}">{}</text></g>"#,
            curve.class,
            points.join(" "),
            DASHES[curve.dash % DASHES.len()],
            WIDTH - RIGHT + 12.0,
            WIDTH - RIGHT + 16.0,
            label_y + 4.0,
            escape(&curve.label)
        );
    }
    svg + "</svg>"
}

/// Moves labels so that none lies on another, each as near to its place as may be.
fn apart(wanted: Vec<f64>) -> Vec<f64> {
    const STEP: f64 = 15.0;
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut placed = wanted.clone();
    let mut below = f64::NEG_INFINITY;
    for index in &order {
        placed[*index] = wanted[*index].max(below);
        below = placed[*index] + STEP;
    }
    let mut above = HEIGHT - BOTTOM;
    for index in order.iter().rev() {
        placed[*index] = placed[*index].min(above);
        above = placed[*index] - STEP;
    }
    placed
}

fn open(width: f64, height: f64) -> String {
    format!(r#"<svg viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_logarithmic() {
        let axis = Axis { least: 1.0, most: 100.0, from: 0.0, to: 200.0 };
        assert_eq!((axis.at(1.0), axis.at(10.0), axis.at(100.0), axis.at(0.0)), (0.0, 100.0, 200.0, 0.0));
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert!(Axis::over([f64::NAN, 0.0].into_iter(), 0.0, 1.0).is_none());
    }

    #[test]
    fn labels_do_not_lie_on_each_other() {
        let placed = apart(vec![100.0, 101.0, 99.0, 500.0, 500.0]);
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 15.0 - 1e-9), "{placed:?}");
        assert!(placed[2] < placed[0] && placed[0] < placed[1]);
    }
}
