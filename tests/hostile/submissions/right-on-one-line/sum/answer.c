/* Right, on one line. */
#include <stdio.h>
int main(void){long long s=0,n;for(;scanf("%lld",&n)>0;s+=n);return printf("%lld\n",s)<0;}
