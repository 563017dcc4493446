/* What a person reads on stderr: one sentence, perhaps a way on; and the exit status that goes with it. */
#ifndef MESSAGE_H
#define MESSAGE_H

enum { EXIT_TIMEOUT = 124, EXIT_FAILED = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

#define LIKE_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* What every later message is about: `image` is how the launch file calls it, or NULL. */
void message_subject(const char *image);

/* Messages go to this descriptor instead of stderr; -1: nowhere. */
void message_output(int fd);

/* Called before a message ends the program, with the exit status and its text: the sentence, a newline, and the same again for a
 * hint. NULL: nothing is called. */
void message_last(void (*call)(int status, const char *text));

/* The hint of the next message that ends the program. */
void hint(const char *format, ...) LIKE_PRINTF(1, 2);

/* `sampan: cannot start IMAGE: SENTENCE`, the hint if there is one, exit 125. */
_Noreturn void fail(const char *format, ...) LIKE_PRINTF(1, 2);

/* The same with errno's words behind the sentence. */
_Noreturn void fail_errno(const char *format, ...) LIKE_PRINTF(1, 2);

/* The same with another exit status. */
_Noreturn void fail_status(int status, const char *format, ...) LIKE_PRINTF(2, 3);

/* What another process of the start has said: its sentence and hint, as `message_last` is given them. The program goes on. */
void message_of(const char *text);

/* One line about something that was done otherwise than asked; the start goes on. */
void notice(const char *format, ...) LIKE_PRINTF(1, 2);

#endif
