//! Who has made this processor, for what cannot be known otherwise.

use std::sync::OnceLock;

/// Whether it is one of AMD's, or made after them: how those treat cache lines is used where it was measured to help, and only there.
pub(crate) fn is_amd() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| matches!(&vendor(), b"AuthenticAMD" | b"HygonGenuine"))
}

/// Whether it is one of AMD's with Zen 4: of family 0x19 those which are not Zen 3, whose models are 0x00 to 0x0f and 0x20 to 0x5f:
/// Revision Guides for AMD Family 19h Models 00h-0Fh and 10h-1Fh, and the Linux kernel's `arch/x86/kernel/cpu/amd.c`.
pub(crate) fn is_zen_4() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| is_amd() && family() == 0x19 && !matches!(model(), 0x00..=0x0f | 0x20..=0x5f))
}

/// What the processor tells about itself.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn cpuid(leaf: u32) -> core::arch::x86_64::CpuidResult {
    // Safe in newer versions of the standard library.
    #[allow(unused_unsafe)]
    // SAFETY: every x86-64 processor has the instruction.
    unsafe {
        core::arch::x86_64::__cpuid(leaf)
    }
}

/// Its family, the extended one included.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn family() -> u32 {
    let told = cpuid(1).eax;
    (told >> 8 & 0xf) + (told >> 20 & 0xff)
}

/// Its model, the extended one included.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn model() -> u32 {
    let told = cpuid(1).eax;
    (told >> 4 & 0xf) | (told >> 16 & 0xf) << 4
}

/// The maker's name, as the processor gives it.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn vendor() -> [u8; 12] {
    let leaf = cpuid(0);
    let mut name = [0; 12];
    for (part, word) in name.as_chunks_mut::<4>().0.iter_mut().zip([leaf.ebx, leaf.edx, leaf.ecx]) {
        *part = word.to_le_bytes();
    }
    name
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn family() -> u32 {
    0
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn model() -> u32 {
    0
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn vendor() -> [u8; 12] {
    [0; 12]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_is_the_one_that_the_system_names() {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let told = |what: &str| info.lines().find(|line| line.starts_with(what))?.split(':').nth(1).map(str::trim);
        if let (Some(name), Some(of_family), Some(of_model)) = (told("vendor_id"), told("cpu family"), told("model\t"))
        {
            assert_eq!(vendor(), name.as_bytes());
            assert_eq!(is_amd(), name == "AuthenticAMD" || name == "HygonGenuine");
            assert_eq!((family().to_string(), model().to_string()), (of_family.to_owned(), of_model.to_owned()));
        }
    }
}
