/* Permission of the kernel for the registers of an instruction set. */

#ifndef SPAM_EDGE_PERMISSION_H
#define SPAM_EDGE_PERMISSION_H

/* Asks for the permission that this library needs, and returns whether the process has it. It lasts for the process and
 * its forks, in all threads; asking again costs a system call. Libraries other than that for AMX need none. */
int ask_permission(void);

#endif
