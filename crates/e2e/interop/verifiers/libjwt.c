// Reads one token with libjwt, or fails: libjwt TOKEN PEM ALG ISSUER AUDIENCE.
#include <jwt.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **given) {
	jwt_t *token = NULL;
	if (count != 6) return 2;
	int error = jwt_decode(&token, given[1], (unsigned char *)given[2], (int)strlen(given[2]));
	if (error) return fprintf(stderr, "libjwt: %s\n", strerror(error)), 1;
	if (jwt_get_alg(token) != jwt_str_alg(given[3])) return fputs("libjwt: the algorithm\n", stderr), 1;
	const char *issuer = jwt_get_grant(token, "iss"), *audience = jwt_get_grant(token, "aud");
	if (!issuer || strcmp(issuer, given[4]) || !audience || strcmp(audience, given[5])) return fputs("libjwt: the issuer\n", stderr), 1;
	jwt_free(token);
	return 0;
}
