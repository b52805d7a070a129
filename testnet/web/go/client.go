// A client of the web door; its certificate is RSA, as Go knows no secp256k1.
//
//	go run . answer HOST:PORT CERTS TOPIC REPLY    answers one request
//	go run . ask    HOST:PORT CERTS TOPIC DATA     publishes to one subscriber and prints its answer
//
// CERTS is a directory with ca.crt, sdk.crt and sdk.key.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gorilla/websocket"
)

// What a client says.
type frame struct {
	Type    string   `json:"type"`
	ID      uint64   `json:"id"`
	Topics  []string `json:"topics,omitempty"`
	Topic   string   `json:"topic,omitempty"`
	Request string   `json:"request,omitempty"`
	Data    string   `json:"data,omitempty"`
}

// What a client is told.
type told struct {
	Type    string
	ID      *uint64
	Code    int32
	Word    string
	Message string
	Request string
	Topic   string
	Data    string
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 6 {
		log.Fatal("usage: client answer|ask HOST:PORT CERTS TOPIC TEXT")
	}
	what, node, certs, topic, text := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	security, err := security(certs)
	if err != nil {
		log.Fatal(err)
	}
	dialer := websocket.Dialer{TLSClientConfig: security}
	socket, _, err := dialer.Dial("wss://"+node+"/v1/socket", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	if what == "answer" {
		err = answer(socket, topic, text)
	} else {
		err = ask(socket, topic, text)
	}
	if err != nil {
		log.Fatal(err)
	}
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = socket.WriteMessage(websocket.CloseMessage, goodbye)
}

func answer(socket *websocket.Conn, topic, reply string) error {
	if err := socket.WriteJSON(frame{Type: "subscribe", ID: 1, Topics: []string{topic}}); err != nil {
		return err
	}
	for {
		var said told
		if err := socket.ReadJSON(&said); err != nil {
			return err
		}
		switch {
		case said.Type == "request":
			fmt.Println("asked:", said.Data)
			response := frame{Type: "respond", ID: 2, Request: said.Request, Data: reply}
			if err := socket.WriteJSON(response); err != nil {
				return err
			}
		case said.Code != 0:
			return fmt.Errorf("%s: %s", said.Word, said.Message)
		case said.ID != nil && *said.ID == 1:
			fmt.Println("subscribed")
		default:
			return nil
		}
	}
}

func ask(socket *websocket.Conn, topic, data string) error {
	if err := socket.WriteJSON(frame{Type: "publish", ID: 1, Topic: topic, Data: data}); err != nil {
		return err
	}
	var result told
	if err := socket.ReadJSON(&result); err != nil {
		return err
	}
	if result.Code != 0 {
		return fmt.Errorf("%s: %s", result.Word, result.Message)
	}
	fmt.Println("answered:", result.Data)
	return nil
}

func security(certs string) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(certs, "sdk.crt"), filepath.Join(certs, "sdk.key"))
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(filepath.Join(certs, "ca.crt"))
	if err != nil {
		return nil, err
	}
	// An authority on a curve that Go does not know is left out.
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca.crt holds no authority that Go can use")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own},
		// Certificates of nodes hold no host name: the chain is checked here instead.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			between := x509.NewCertPool()
			for _, one := range state.PeerCertificates[1:] {
				between.AddCert(one)
			}
			usage := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between, KeyUsages: usage})
			return err
		},
	}, nil
}
