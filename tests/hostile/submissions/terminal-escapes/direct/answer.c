/* Right, with escapes that would clear the screen, rename the window and ask the terminal to type. */
#include <stdio.h>

static const char escapes[] = "\033[2J\033[H\033]0;graded: 12 of 12\007\033[6n\033P$q\033\\\x9b" "2J\x07\x08\x00\x7f"
                              "\xc2\x9b" "31m\xe2\x80\xae\xff\r\n";

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    fwrite(escapes, 1, sizeof escapes - 1, stdout);
    fprintf(stderr, "\033]52;c;cm0gLXJmIC8K\007\n");
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    return 0;
}
