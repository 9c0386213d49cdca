//! The system calls that a confined process may use (seccomp).
//!
//! All others fail with `EPERM`. So a library that looks for fonts or time zones goes on without
//! them.

use libc::{AT_EMPTY_PATH, CLONE_THREAD, ENOSYS, EPERM, PROT_EXEC, c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use std::collections::BTreeMap;

/// The kernel's number for CPU time. C libraries give it different types.
const RLIMIT_CPU: u64 = 0;

/// Calls that are allowed with all arguments: memory, open files, threads, signals to itself, time.
const ALWAYS: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    // The other filter refuses it, so that threads are started by `clone`.
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Operations on open files. Others could send signals to processes.
const FILE_OPERATIONS: [c_int; 5] = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL];

/// Names of threads and of memory.
const NAMES: [c_int; 2] = [libc::PR_SET_NAME, libc::PR_SET_VMA];

/// Enters the filter for this thread and the threads that it starts.
pub(super) fn enter() -> Result<(), Error> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    // Filters cannot look into the flags of `clone3`, which are in memory.
    let no_clone3 = SeccompFilter::new(
        [(libc::SYS_clone3, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(ENOSYS.unsigned_abs()),
        architecture,
    )?;
    apply_filter(&BpfProgram::try_from(no_clone3)?)?;
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend(conditional()?);
    let filter = SeccompFilter::new(rules, SeccompAction::Errno(EPERM.unsigned_abs()), SeccompAction::Allow, architecture)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}

/// Calls that are allowed with some arguments.
fn conditional() -> Result<Vec<(c_long, Vec<SeccompRule>)>, BackendError> {
    let this_process = u64::from(std::process::id());
    let any_of = |argument, values: &[c_int]| -> Result<Vec<SeccompRule>, BackendError> {
        values.iter().map(|value| rule(vec![equals(argument, number(*value))?])).collect()
    };
    let has = |argument, flag: c_int| Ok::<_, BackendError>(vec![rule(vec![flags(argument, flag, flag)?])?]);
    let lacks = |argument, flag: c_int| Ok::<_, BackendError>(vec![rule(vec![flags(argument, flag, 0)?])?]);
    Ok(vec![
        // Threads, but no processes.
        (libc::SYS_clone, has(0, CLONE_THREAD)?),
        // Data, but no code.
        (libc::SYS_mmap, lacks(2, PROT_EXEC)?),
        (libc::SYS_mprotect, lacks(2, PROT_EXEC)?),
        // Facts about open files. A path next to the flag reveals no content.
        (libc::SYS_newfstatat, has(3, AT_EMPTY_PATH)?),
        (libc::SYS_statx, has(2, AT_EMPTY_PATH)?),
        (libc::SYS_fcntl, any_of(1, &FILE_OPERATIONS)?),
        (libc::SYS_prctl, any_of(0, &NAMES)?),
        // The limit of CPU time for the next document. Process 0 is this one.
        (libc::SYS_prlimit64, vec![rule(vec![equals(0, 0)?, equals(1, RLIMIT_CPU)?])?]),
        // Signals to itself: an abort.
        (libc::SYS_tgkill, vec![rule(vec![equals(0, this_process)?])?]),
    ])
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

fn equals(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn flags(argument: u8, mask: c_int, value: c_int) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(number(mask)), number(value))
}

/// A flag of the kernel as its filters compare it: 32 bits without a sign.
fn number(flag: c_int) -> u64 {
    u64::from(flag.cast_unsigned())
}
