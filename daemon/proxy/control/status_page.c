#include "daemon/proxy/control/status_page.h"

/* The file as it is becomes read-only data of the program; the path is the one from the top of the sources. */
__asm__(".pushsection .rodata\n"
	"status_page_html:\n"
	".incbin \"daemon/proxy/control/status_page.html\"\n"
	".byte 0\n"
	".popsection\n");

extern const char status_page_html[];

const char *status_page(void)
{
	return status_page_html;
}
