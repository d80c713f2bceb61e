/*
 * The page that metrics.listen shows to a browser: one piece of HTML (status_page.html beside this file) that asks
 * /status.json and /events.json of the same listener again and again.
 */
#ifndef CONTROL_STATUS_PAGE_H
#define CONTROL_STATUS_PAGE_H

/* The whole page, ended with NUL; lives as long as the program. */
const char *status_page(void);

#endif
