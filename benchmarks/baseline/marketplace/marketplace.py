"""The Marketplace as first tutorials write it: no deadline, and no plan for bad days."""

import os

import grpc
from flask import Flask, render_template

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc

app = Flask(__name__)

host = os.getenv("RECOMMENDATIONS_HOST", "localhost")
channel = grpc.insecure_channel(f"{host}:50051")
client = pb_grpc.RecommendationsStub(channel)


@app.route("/")
def render_homepage():
    request = pb.RecommendationRequest(user_id=1, category=pb.MYSTERY, max_results=3)
    response = client.Recommend(request)
    return render_template("homepage.html", recommendations=response.recommendations)
