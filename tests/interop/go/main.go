// Verifies tokens with livekit/protocol/auth; see ../README.md.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"github.com/livekit/protocol/auth"
)

type request struct{ Token, Key, Secret string }

type answer struct {
	Claims *auth.ClaimGrants `json:"claims,omitempty"`
	Error  string            `json:"error,omitempty"`
}

func verify(line []byte) answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: err.Error()}
	}
	verifier, err := auth.ParseAPIToken(asked.Token)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if verifier.APIKey() != asked.Key {
		return answer{Error: "signed with " + verifier.APIKey()}
	}
	_, grants, err := verifier.Verify(asked.Secret)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Claims: grants}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := out.Encode(verify(lines.Bytes())); err != nil {
			os.Exit(1)
		}
	}
}
