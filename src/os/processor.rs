//! Who has made this processor, for what cannot be known otherwise.

use std::sync::OnceLock;

/// Whether it is one of AMD's, or made after them: how those treat cache lines is used where it was measured to help, and only there.
pub(crate) fn is_amd() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| matches!(&vendor(), b"AuthenticAMD" | b"HygonGenuine"))
}

/// Whether it is one of those up to Zen 4. They are family 0x19 at most: Processor Programming Reference for AMD Family 19h and 1Ah,
/// "Processor Identification".
pub(crate) fn is_amd_up_to_zen_4() -> bool {
    is_amd() && family() <= 0x19
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
        if let Some((name, told)) = told("vendor_id").zip(told("cpu family")) {
            assert_eq!(vendor(), name.as_bytes());
            assert_eq!(is_amd(), name == "AuthenticAMD" || name == "HygonGenuine");
            assert_eq!(family().to_string(), told);
        }
    }
}
