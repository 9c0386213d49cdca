//! Formats and what spreadsheet programs show for them.

use super::*;

fn shown(code: &str, value: f64) -> String {
    NumberFormat::read(code).number(value, false).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn numbers_keep_their_distinguishing_digits() {
    for (value, written) in [
        (1_234_567_890_123_450.0, "1234567890123450"),
        (1_234_567_890_123_453.0, "1234567890123453"),
        (9_007_199_254_740_991.0, "9007199254740991"),
        (-9_007_199_254_740_993.0, "-9007199254740992"),
        (1e22, "1e22"),
        (0.1 + 0.2, "0.3"),
        (0.1 + 0.7, "0.8"),
        (100.1 * 3.0, "300.3"),
        (1_234_567_890.1 + 0.2, "1234567890.3"),
        (1.0 / 3.0, "0.3333333333333333"),
        (std::f64::consts::PI, "3.141592653589793"),
        (1_234_567_890_123.456, "1234567890123.456"),
        (123_456_789.123_456_78, "123456789.12345678"),
        (2.5e-10, "2.5e-10"),
        (0.0, "0"),
    ] {
        assert_eq!(general(value), written);
        assert_eq!(shown("General", value), written);
    }
    assert!(is_inexact(1e17) && !is_inexact(9_007_199_254_740_991.0) && !is_inexact(0.5));
}

#[test]
fn digits_are_placed_and_rounded_as_decimals() {
    for (code, value, text) in [
        ("0.00", 0.075, "0.08"),
        ("0.00", 1.005, "1.01"),
        ("0", -0.5, "-1"),
        ("0.0", -0.04, "0.0"),
        ("0.00", 9.999, "10.00"),
        ("#,##0.00", -1_234_567.891, "-1,234,567.89"),
        ("0,000", 5.0, "0,005"),
        ("00000", 1234.0, "01234"),
        ("(000) 000-0000", 5_551_234_567.0, "(555) 123-4567"),
        ("0.##", 1.0, "1"),
        (".00", 12.5, "12.50"),
        ("0", 1_234_567_890_123_453.0, "1234567890123453"),
        ("0.0,,\"M\"", 1_500_000.0, "1.5M"),
        ("#,##0,", 1_234_567.0, "1,235"),
        ("0.0%", 0.075, "7.5%"),
        ("0%;[Red]-0%", -0.123, "-12%"),
        ("0.00E+00", 1234.5, "1.23E+03"),
        ("##0.0E+0", 12345.0, "12.3E+3"),
        ("0E-0", 0.0005, "5E-4"),
        ("0.0E+0", 9.99, "1.0E+1"),
    ] {
        assert_eq!(shown(code, value), text, "{code} of {value}");
    }
}

#[test]
fn sections_keep_the_sign_of_a_number() {
    for (code, value, text) in [
        ("#,##0.00_);(#,##0.00)", -5.0, "(5.00)"),
        ("#,##0.00_);[Red](#,##0.00);\"-\"", 0.0, "-"),
        ("[<100]0.0;0", -1.0, "-1.0"),
        ("[<0]\"minus \"0;0", -3.0, "minus 3"),
        ("[=1]\"Yes\";[=0]\"No\";General", 1.0, "Yes"),
        ("[=1]\"Yes\";[=0]\"No\";General", -7.0, "-7"),
        ("[>1000000]0.0,,\"M\";[>1000]0.0,\"k\";0", 2500.0, "2.5k"),
        ("\"Yes\";\"Yes\";\"No\"", -1.0, "Yes"),
        (";;;", 5.0, ""),
        ("[<=5]\"few\";\"many\"", -1.0, "few"),
        ("#,###", -0.1, ""),
        ("[$€-407] #,##0.00", -2.5, "-€ 2.50"),
        ("#,##0 [$kr-41D]", 1999.5, "2,000 kr"),
        ("_(\"$\"* #,##0.00_);_(\"$\"* \\(#,##0.00\\);_(\"$\"* \"-\"??_);_(@_)", -9.0, "$(9.00)"),
        ("0\" kg\"", 12.0, "12 kg"),
        ("General\" units\"", 2.5, "2.5 units"),
    ] {
        assert_eq!(shown(code, value), text, "{code} of {value}");
    }
    assert_eq!(NumberFormat::read("0;-0;0;\"Item \"@").text("bolt"), "Item bolt");
    assert_eq!(NumberFormat::read("0.00;@\" (old)\"").text("bolt"), "bolt (old)");
    assert_eq!(shown("0.00;@\" (old)\"", -2.0), "-2.00");
    assert_eq!(NumberFormat::read("0.00").text("bolt"), "bolt");
}

#[test]
fn fractions_are_the_nearest_ones() {
    for (code, value, text) in [
        ("# ?/?", 1.25, "1 1/4"),
        ("# ??/??", 3.1427, "3 1/7"),
        ("# ?/2", -2.75, "-3"),
        ("# ?/8", 0.5, "4/8"),
        ("?/?", 2.5, "5/2"),
        ("# ?/?", 12.0, "12"),
        ("# ?/?", 0.0, "0"),
        ("# ?/?", 0.9999, "1"),
    ] {
        assert_eq!(shown(code, value), text, "{code} of {value}");
    }
}

#[test]
fn whole_dates_are_iso_dates_and_others_are_as_shown() {
    for (code, value, text) in [
        ("m/d/yyyy", 46096.0, "2026-03-15"),
        ("d mmmm yyyy", 46096.75, "2026-03-15"),
        ("dd.mm.yy hh:mm", 46096.75, "2026-03-15 18:00"),
        ("m/d", 46096.0, "2026-03-15"),
        ("mmm yyyy", 46096.0, "Mar 2026"),
        ("d-mmm", 46096.0, "15-Mar"),
        ("dddd", 46096.0, "Sunday"),
        ("m/d/yyyy", 0.75, "18:00"),
        ("m/d/yyyy", 0.0, "1900-01-00"),
        ("m/d/yyyy h:mm", 0.0, "00:00"),
        ("m/d/yyyy", 1.0, "1900-01-01"),
        ("m/d/yyyy", 60.0, "1900-02-29"),
        ("m/d/yyyy", 61.0, "1900-03-01"),
        ("m/d/yyyy", -1.0, "-1"),
        ("m/d/yyyy", 3e9, "3000000000"),
        ("h:mm AM/PM", 0.0, "12:00 AM"),
        ("h:mm:ss a/p", 0.75, "6:00:00 p"),
        ("[h]:mm:ss", 1.5, "36:00:00"),
        ("[h]:mm", -0.5, "-12:00"),
        ("[mm]:ss", 0.75, "1080:00"),
        ("mm:ss.0", 0.5 / 86400.0, "00:00.5"),
        ("h:mm", 0.749_999_999, "18:00"),
        ("0.00\"m\"", 2.0, "2.00m"),
    ] {
        assert_eq!(shown(code, value), text, "{code} of {value}");
    }
    assert_eq!(NumberFormat::read("yyyy-mm-dd").number(0.5 + 44_634.0, true), "2026-03-15");
    assert_eq!(shown("[Red]0.00\\d", 2.0), "2.00d");
    assert_eq!(code(46), Some("[h]:mm:ss"));
}

proptest::proptest! {
    #[test]
    fn any_format_shows_any_number(code in "[#0?.,%/@;:\\[\\]<>=0-9eEgGhHmMsSdDyYaApP\"\\\\_*$+ -]{0,40}", value: f64) {
        let format = NumberFormat::read(&code);
        let _any = (format.number(value, false), format.number(value, true), format.text("x"));
    }
}

#[test]
fn names_of_eras_are_left_out() {
    let day = 43_905.0;
    for (code, text) in [("ggge", "2020"), ("[$-411]ggge\"年\"", "2020年"), ("[$-411]ge.m.d", "2020-03-15")] {
        assert_eq!(shown(code, day), text, "{code}");
    }
    assert_eq!(shown("General", 5.0), "5");
}
