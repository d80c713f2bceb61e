/*
 * Preloaded into a program: the first eight bytes of the file $LAB_ALLOCATIONS count its calls of malloc and its
 * relatives. Only in the program whose name is $LAB_ALLOCATIONS_OF, so that its children do not count.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The allocator of glibc under the names that remain when malloc is somebody else's. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);

static uint64_t *calls;

/* Before main: a program that gives up its rights cannot open files later. */
__attribute__((constructor)) static void map_file(void)
{
	const char *path = getenv("LAB_ALLOCATIONS"), *name = getenv("LAB_ALLOCATIONS_OF");
	int fd = path && name && strcmp(name, program_invocation_short_name) == 0 ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *page = fd >= 0 ? mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (page != MAP_FAILED)
		calls = page;
	if (fd >= 0)
		close(fd);
}

static void count(void)
{
	if (calls)
		__atomic_add_fetch(calls, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
	count();
	return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
	count();
	return __libc_realloc(old, size);
}

void *memalign(size_t align, size_t size)
{
	count();
	return __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	count();
	return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
	count();
	*out = __libc_memalign(align, size);
	return *out ? 0 : ENOMEM;
}
