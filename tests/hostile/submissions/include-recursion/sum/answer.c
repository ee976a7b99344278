/* Includes itself twice, 200 levels deep. */
#include __FILE__
#include __FILE__

int main(void)
{
    return 0;
}
