// The Entities API's model (demo/service/metadata.xml) as a CAP service: its second implementation, and
// what a CAP app that consumes the API would have imported.
@path: 'entities/v1'
// Less than there are application instances, so that they come in pages.
@cds.query.limit: { default: 50, max: 50 }
service com.sap.intas.entities {
  entity Application {
    key Id : String;
    Name : String not null;
    ApiHubId : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    ApplicationInstances : Association to many ApplicationInstance on ApplicationInstances.Application = $self;
    Vendor : Association to Vendor;
  }
  entity ApplicationInstance {
    key Id : String;
    Name : String not null;
    Description : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    Application : Association to Application;
    DeploymentModel : Association to DeploymentModel;
  }
  entity CreateBusinessSolutionRequest {
    key Name : String;
  }
  entity CreateInterfaceRequest {
    key Name : String;
    RequestId : String;
    StyleId : String;
  }
  entity DeploymentModel {
    key Id : String;
    Name : String not null;
    Description : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
  }
  entity Domain {
    key Id : String;
    Name : String not null;
    Description : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
  }
  entity DomainDetermination {
    key Id : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    Domain : Association to Domain;
    SourceDeploymentModel : Association to DeploymentModel;
    TargetDeploymentModel : Association to DeploymentModel;
  }
  entity EntityReference {
    key Id : String;
  }
  entity IntegrationFlow {
    key Id : String;
    Name : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    IntegrationFlowMessageFlows : Association to many IntegrationFlowMessageFlow on IntegrationFlowMessageFlows.IntegrationFlow = $self;
  }
  entity IntegrationFlowMessageFlow {
    key Id : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    IntegrationFlow : Association to IntegrationFlow;
    MessageFlow : Association to MessageFlow;
  }
  entity IntegrationPattern {
    key Id : String;
    Name : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    Domain : Association to Domain;
    Style : Association to Style;
  }
  entity KeyCharacteristic {
    key Id : String;
    Name : String not null;
    Description : String;
    IsSingle : Boolean not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    KeyCharacteristicGroup : Association to KeyCharacteristicGroup;
  }
  entity KeyCharacteristicGroup {
    key Id : String;
    Name : String not null;
    Description : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
  }
  entity KeyCharacteristicRecommendationDegree {
    key Id : String;
    Name : String not null;
    CssColor : String not null;
    Score : Integer not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
  }
  entity KeyCharacteristicValue {
    key Id : String;
    Name : String not null;
    Description : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    KeyCharacteristic : Association to KeyCharacteristic;
  }
  entity MessageFlow {
    key Id : String;
    Name : String not null;
    Status : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    Domain : Association to Domain;
    SourceApplicationInstance : Association to ApplicationInstance;
    Style : Association to Style;
    TargetApplicationInstance : Association to ApplicationInstance;
  }
  entity Request {
    key Id : String;
    Name : String not null;
    Status : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    RequestLineItems : Association to many RequestLineItem on RequestLineItems.Request = $self;
  }
  entity RequestLineItem {
    key Id : String;
    Status : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    IntegrationFlow : Association to IntegrationFlow;
    Request : Association to Request;
    RequestLineItemTechnologyInstanceDecisions : Association to many RequestLineItemTechnologyInstanceDecision on RequestLineItemTechnologyInstanceDecisions.RequestLineItem = $self;
  }
  entity RequestLineItemTechnologyInstanceDecision {
    key Id : String;
    RecommendationValue : Double not null;
    Selected : Boolean;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    IntegrationFlow : Association to IntegrationFlow;
    MessageFlow : Association to MessageFlow;
    RequestLineItem : Association to RequestLineItem;
    Technology : Association to Technology;
    TechnologyInstance : Association to TechnologyInstance;
  }
  entity Style {
    key Id : String;
    Name : String not null;
    Description : String;
    IsCrossUseCase : Boolean not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
  }
  entity Technology {
    key Id : String;
    Name : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    TechnologyDomains : Association to many TechnologyDomain on TechnologyDomains.Technology = $self;
    TechnologyInstances : Association to many TechnologyInstance on TechnologyInstances.Technology = $self;
    TechnologyKeyCharacteristics : Association to many TechnologyKeyCharacteristic on TechnologyKeyCharacteristics.Technology = $self;
    TechnologyStyles : Association to many TechnologyStyle on TechnologyStyles.Technology = $self;
    Vendor : Association to Vendor;
  }
  entity TechnologyDomain {
    key Id : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    Domain : Association to Domain;
    Technology : Association to Technology;
  }
  entity TechnologyInstance {
    key Id : String;
    Name : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    DeploymentModel : Association to DeploymentModel;
    Technology : Association to Technology;
  }
  entity TechnologyKeyCharacteristic {
    key Id : String;
    Description : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    KeyCharacteristicValue : Association to KeyCharacteristicValue;
    RecommendationDegree : Association to KeyCharacteristicRecommendationDegree;
    Technology : Association to Technology;
  }
  entity TechnologyStyle {
    key Id : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    Style : Association to Style;
    Technology : Association to Technology;
  }
  entity UseCasePattern {
    key Id : String;
    Name : String not null;
    Description : String;
    Example : String;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
    Style : Association to Style;
  }
  entity Vendor {
    key Id : String;
    Name : String not null;
    CreatedAt : DateTime @cds.on.insert: $now;
    ModifiedAt : DateTime @cds.on.insert: $now @cds.on.update: $now;
  }
}
