/* Preloaded into a program: for it the kernel has neither Landlock nor seccomp, as one built without them answers. */
#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library's function under its other name would be this one again: make the call here. */
static long make(long number, const long arg[static 6])
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = arg[3], r8 __asm__("r8") = arg[4], r9 __asm__("r9") = arg[5];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(arg[0]), "S"(arg[1]), "d"(arg[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = arg[0], x1 __asm__("x1") = arg[1];
	register long x2 __asm__("x2") = arg[2], x3 __asm__("x3") = arg[3], x4 __asm__("x4") = arg[4];
	register long x5 __asm__("x5") = arg[5];

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
	(void)number;
	(void)arg;
	return -ENOSYS;
#endif
}

long syscall(long number, ...)
{
	long arg[6], result;
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(list, long);
	va_end(list);
	result = number == SYS_seccomp || number == SYS_landlock_create_ruleset ? -ENOSYS : make(number, arg);
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

int prctl(int option, ...)
{
	enum { SET_SECCOMP = 22 };
	long arg[6] = {option};
	va_list list;
	long result;

	va_start(list, option);
	for (int i = 1; i < 5; i++)
		arg[i] = va_arg(list, long);
	va_end(list);
	result = option == SET_SECCOMP ? -EINVAL : make(SYS_prctl, arg);
	if (result >= 0)
		return (int)result;
	errno = (int)-result;
	return -1;
}
